package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
)

// Path returns the file in a folder that holds a study's best model. The file is directly
// in the folder for any study name: names are escaped as in a URL, and a name longer than
// 100 bytes is cut and ends in a hash.
func Path(folder, study string) string {
	name := url.PathEscape(study)
	if len(name) > 100 {
		sum := sha256.Sum256([]byte(study))
		name = name[:80] + "-" + hex.EncodeToString(sum[:8])
	}
	return filepath.Join(folder, "model-"+name+".json")
}

// A header begins the JSON of a model: the format and an Origin.
type header struct {
	Format   string   `json:"format"`
	Version  int      `json:"version"`
	Settings settings `json:"settings"`
	Seed     uint64   `json:"seed,string"` // a string, because JSON readers may not keep 64 bits
	Study    string   `json:"study,omitempty"`
	Trial    int      `json:"trial"`
	Metric   string   `json:"metric"`
	Value    float64  `json:"value"`
}

// WriteSealed writes a model as [Seal] returns it.
func WriteSealed(w io.Writer, format string, version int, o Origin, body any) error {
	sealed, err := Seal(format, version, o, body)
	if err == nil {
		_, err = w.Write(sealed)
	}
	return err
}

// Seal returns a model as a line of JSON, followed by a line with its SHA-256. The JSON is
// one object with the format, its version, the fields of o, and the fields of body. body
// must be an object, and its field names must differ from the others.
func Seal(format string, version int, o Origin, body any) ([]byte, error) {
	head, err := json.Marshal(header{Format: format, Version: version, Settings: settings(o.Settings), Seed: o.Seed,
		Study: o.Study, Trial: o.Trial, Metric: o.Metric, Value: o.Value})
	if err != nil {
		return nil, err
	}
	rest, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	if len(rest) == 0 || rest[0] != '{' {
		return nil, pkg.Errorf("seal: a body of type %T is not a JSON object", body)
	}
	line := head
	if string(rest) != "{}" {
		line = append(append(head[:len(head)-1], ','), rest[1:]...)
	}
	line = append(line, '\n')
	return fmt.Appendf(line, "{\"sha256\":\"%s\"}\n", sum(line)), nil
}

// Unseal decodes the result of [Seal] into body, and returns the model's origin. It
// fails for another format or version, and for a checksum that is missing or wrong.
func Unseal(data []byte, format string, version int, body any) (Origin, error) {
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	var is struct {
		Format  string
		Version int
	}
	if err := json.Unmarshal(line, &is); err != nil {
		return Origin{}, fmt.Errorf("its first line is not JSON: %w", err)
	}
	if is.Format != format || is.Version != version {
		return Origin{}, fmt.Errorf("format %q, version %d: this is a reader of %q, version %d", is.Format, is.Version, format, version)
	}
	var check struct {
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(rest, &check); err != nil || check.SHA256 != sum(data[:len(data)-len(rest)]) {
		return Origin{}, errors.New("its checksum is missing or wrong: the file is damaged or cut short")
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return Origin{}, err
	}
	o := Origin{Settings: space.Settings(h.Settings), Seed: h.Seed, Study: h.Study, Trial: h.Trial, Metric: h.Metric, Value: h.Value}
	return o, json.Unmarshal(line, body)
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// settings are a JSON object that keeps the order of its members.
type settings space.Settings

// MarshalJSON implements [json.Marshaler].
func (s settings) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, s := range s {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(s.Name)
		b = fmt.Appendf(b, "%s:%s", name, string(s.Value))
	}
	return append(b, '}'), nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (s *settings) UnmarshalJSON(b []byte) error {
	read, err := spaceyaml.ReadSettings(bytes.NewReader(b))
	*s = settings(read)
	return err
}
