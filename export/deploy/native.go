package deploy

import (
	"bytes"
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

// nativeKey is the key in the metadata of an export for the SHA-256, in hexadecimal, of
// the native model as it is saved: see [Match].
const nativeKey = "attune.native"

// fingerprint returns the SHA-256 of a native model. JSON has \ufffd for a byte of a name
// that is not UTF-8, and once that was loaded the character itself, here the same.
func fingerprint(save func(io.Writer) error) (string, error) {
	var b bytes.Buffer
	if err := save(&b); err != nil {
		return "", err
	}
	sum := sha256.Sum256(bytes.ReplaceAll(b.Bytes(), []byte(`\ufffd`), []byte("\ufffd")))
	return hex.EncodeToString(sum[:]), nil
}

// Match compares the SHA-256 in the metadata of an export with that of the native model
// which save writes. It fails with [ErrMismatch] if they differ, and with the error of
// save. Metadata without one match any model; save is not called then.
//
// All that is saved is compared, also what no prediction needs, such as the gain, weight
// and count of nodes. An export no longer matches its model once a version of attune
// reads or saves these otherwise.
func Match(meta map[string]string, save func(io.Writer) error) error {
	if err := match(meta, save); err != nil {
		return pkg.Errorf("match: %w", err)
	}
	return nil
}

func match(meta map[string]string, save func(io.Writer) error) error {
	want := meta[nativeKey]
	if want == "" {
		return nil
	}
	got, err := fingerprint(save)
	if err != nil || got == want {
		return err
	}
	from := ""
	if study := meta["attune.study"]; study != "" {
		from = fmt.Sprintf(" (study %s, trial %s)", study, meta["attune.trial"])
	}
	return fmt.Errorf("%w: the file is of the one%s with SHA-256 %s, and this one has %s: export it again, or open the file with the model that it was exported from",
		ErrMismatch, from, want, got)
}

// belongs matches a file that is opened; that of a model that cannot be saved may be any.
func belongs(file string, s *runtime.Session, save func(io.Writer) error) error {
	if err := match(s.Metadata(), save); errors.Is(err, ErrMismatch) {
		return pkg.Errorf("open %s: %w", file, err)
	}
	return nil
}
