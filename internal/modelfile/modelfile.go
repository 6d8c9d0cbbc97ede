// Package modelfile is what the files of tuned models have in common, whatever the
// model: a line of JSON, a line with its checksum, and a name that follows from the
// study's.
package modelfile

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
)

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

// Verify reports whether data is what [Seal] returned, as far as its checksum tells.
func Verify(data []byte) error {
	_, rest, _ := bytes.Cut(data, []byte("\n"))
	var check struct {
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(rest, &check); err != nil || check.SHA256 != sum(data[:len(data)-len(rest)]) {
		return errors.New("its checksum is missing or wrong: the file is damaged or cut short")
	}
	return nil
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// Settings returns settings as a JSON object, in their order.
func Settings(settings space.Settings) json.RawMessage {
	b := []byte{'{'}
	for i, s := range settings {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(s.Name)
		b = fmt.Appendf(b, "%s:%s", name, string(s.Value))
	}
	return append(b, '}')
}
