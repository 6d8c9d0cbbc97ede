package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/attune-hpo/attune/export/runtime"
)

// ErrMismatch reports an export that was made of another model than the native one beside
// it: one of the two is of another version, and which is not for this package to say.
var ErrMismatch = errors.New("it was not exported from this native model")

// nativeKey is where the metadata of an export tell the SHA-256, in hexadecimal, of the
// native model as it is saved.
const nativeKey = "attune.native"

// fingerprint returns the SHA-256 of a native model, "" where it cannot be saved.
func fingerprint(save func(io.Writer) error) string {
	h := sha256.New()
	if save(h) != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// belongs compares what an export tells of its native model with the one at hand. One that
// tells nothing may be of any; so may one beside a model that cannot be saved.
func belongs(file string, s *runtime.Session, save func(io.Writer) error) error {
	meta := s.Metadata()
	want := meta[nativeKey]
	if want == "" {
		return nil
	}
	got := fingerprint(save)
	if got == "" || got == want {
		return nil
	}
	from := ""
	if study := meta["attune.study"]; study != "" {
		from = fmt.Sprintf(" (study %s, trial %s)", study, meta["attune.trial"])
	}
	return fmt.Errorf("deploy: open %s: %w: the file is of the one%s with SHA-256 %s, and this one has %s: export it anew, or open the file beside the model that it is of",
		file, ErrMismatch, from, want, got)
}
