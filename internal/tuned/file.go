package tuned

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A Header says where a model comes from. It is part of the JSON of all models.
type Header struct {
	Format   string   `json:"format"`
	Version  int      `json:"version"`
	Settings Settings `json:"settings"`        // all hyperparameters that are not as usual
	Seed     uint64   `json:"seed,string"`     // of 64 bits, more than JSON's readers keep
	Study    string   `json:"study,omitempty"` // may be empty
	Trial    int      `json:"trial"`           // number of the trial in it
	Metric   string   `json:"metric"`          // that was optimised
	Value    float64  `json:"value"`           // of the trial
}

// Of reports whether the model is that of a complete trial of a study.
func (h Header) Of(st study.Reader, r trial.Record) bool {
	return h.Study == st.Name() && h.Trial == r.Number && h.Seed == st.TrialSeed(r.Number) && h.Value == r.Values[0]
}

// Settings are a JSON object, in their order.
type Settings space.Settings

// MarshalJSON implements [json.Marshaler].
func (s Settings) MarshalJSON() ([]byte, error) {
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
func (s *Settings) UnmarshalJSON(b []byte) error {
	settings, err := spaceyaml.ReadSettings(bytes.NewReader(b))
	*s = settings
	return err
}

// Path returns the file in which a study's best model is kept. Whatever the study's
// name, it lies in the folder; names of more than 100 bytes are cut and end in a hash.
func Path(folder, study string) string {
	name := url.PathEscape(study)
	if len(name) > 100 {
		sum := sha256.Sum256([]byte(study))
		name = name[:80] + "-" + hex.EncodeToString(sum[:8])
	}
	return filepath.Join(folder, "model-"+name+".json")
}

// Seal returns v as a line of JSON, and after it a line with its SHA-256.
func Seal(v any) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	line = append(line, '\n')
	return fmt.Appendf(line, "{\"sha256\":\"%s\"}\n", sum(line)), nil
}

// Unseal reads v, with a [Header] of a format, from what [Seal] returned. It fails for
// another format, or another version than 1, and for a checksum that is missing or wrong.
func Unseal(data []byte, format string, v any) error {
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	var is struct {
		Format  string
		Version int
	}
	if err := json.Unmarshal(line, &is); err != nil {
		return fmt.Errorf("its first line is not JSON: %w", err)
	}
	if is.Format != format || is.Version != 1 {
		return fmt.Errorf("format %q, version %d: this is a reader of %q, version 1", is.Format, is.Version, format)
	}
	var check struct {
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(rest, &check); err != nil || check.SHA256 != sum(data[:len(data)-len(rest)]) {
		return errors.New("its checksum is missing or wrong: the file is damaged or cut short")
	}
	return json.Unmarshal(line, v)
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}
