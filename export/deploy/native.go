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

// ErrMismatch reports an export that was made from a model other than the given native
// model. This package cannot know which of the two is right.
var ErrMismatch = errors.New("it was not exported from this native model")

// nativeKey is the metadata key for the SHA-256, in hexadecimal, of the saved native
// model: see [Match].
const nativeKey = "attune.native"

// fingerprint returns the SHA-256 of a saved native model. It treats the escape \ufffd like
// the character: JSON has the escape for a byte that is not UTF-8, and the character once
// that was loaded.
func fingerprint(save func(io.Writer) error) (string, error) {
	var b bytes.Buffer
	if err := save(&b); err != nil {
		return "", err
	}
	sum := sha256.Sum256(bytes.ReplaceAll(b.Bytes(), []byte(`\ufffd`), []byte("\ufffd")))
	return hex.EncodeToString(sum[:]), nil
}

// Match compares the SHA-256 in the metadata of an export with that of the native model
// that save writes. It fails with [ErrMismatch] if they differ, and with the error of
// save. Metadata without a SHA-256 match any model; Match does not call save then.
//
// The SHA-256 covers everything that is saved, including values that predictions do not
// need, such as the gain, weight and count of nodes. So an export no longer matches its
// model if a later version of attune reads or saves these differently.
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
	return fmt.Errorf("%w: the file is from the model%s with SHA-256 %s, but this model has %s: export it again, or open the file with the model that it was exported from",
		ErrMismatch, from, want, got)
}

// belongs matches an opened file with its model. Any file matches a model that cannot be saved.
func belongs(file string, s *runtime.Session, save func(io.Writer) error) error {
	if err := match(s.Metadata(), save); errors.Is(err, ErrMismatch) {
		return pkg.Errorf("open %s: %w", file, err)
	}
	return nil
}
