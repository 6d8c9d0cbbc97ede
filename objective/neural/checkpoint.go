package neural

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/attune-hpo/attune/internal/atomicfile"
	"github.com/attune-hpo/attune/objective/forecast"
)

const checkpointFormat = "attune neural checkpoint"

// savedProgress is the content of a checkpoint. The numbers after it are the weights,
// Adam's two means and, if they exist, the best weights.
type savedProgress struct {
	Fit string `json:"fit"` // the key
	progress
}

// key returns a hash of everything that a fit depends on, except the code.
func (t *trainer) key(train forecast.Frame, opts forecast.FitOptions) (string, error) {
	settings, err := json.Marshal(struct {
		Family           string
		Model            Model
		Transform        string
		Horizon, Holdout int
		Seed             uint64
	}{t.design.model.Name(), t.design.model, t.Transform.String(), opts.Horizon, opts.Holdout, opts.Seed})
	if err != nil {
		return "", err
	}
	h := sha256.New()
	h.Write(settings)
	for _, s := range train {
		fmt.Fprintf(h, "%q %v %v %v %d", s.ID, s.Start.UTC(), s.Start.Location(), s.Freq, s.Len())
		for _, c := range slices.Concat([]forecast.Column{{Values: s.Y}}, s.Past, s.Known) {
			fmt.Fprintf(h, "%q %d", c.Name, len(c.Values))
			var b []byte
			for _, v := range c.Values {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
			}
			h.Write(b)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// file returns the path of the fit's checkpoint.
func (t *trainer) file() string {
	return filepath.Join(t.Checkpoint, t.design.model.Name()+"-"+t.fit[:16]+".checkpoint")
}

// resume loads the checkpoint, if there is one. It fails with [ErrCheckpoint] if the
// checkpoint belongs to another fit, has another shape or is damaged.
func (t *trainer) resume(train forecast.Frame, opts forecast.FitOptions) error {
	if t.Checkpoint == "" {
		return nil
	}
	var err error
	if t.fit, err = t.key(train, opts); err != nil {
		return err
	}
	if err := atomicfile.Clean(t.file()); err != nil { // no one else writes a checkpoint of this fit
		return err
	}
	f, err := os.Open(t.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := t.read(f); err != nil {
		return fmt.Errorf("%w: %s: %w: remove it to start over", ErrCheckpoint, t.file(), err)
	}
	return nil
}

func (t *trainer) read(r io.Reader) error {
	var s savedProgress
	numbers, err := readContainer(r, checkpointFormat, &s)
	if err != nil {
		return err
	}
	n := t.net.Weights.Len()
	sets := 3
	if len(t.valid) > 0 {
		sets++
	}
	if s.Fit != t.fit || len(numbers) != sets*n || s.Epoch < 1 || s.Step < s.Epoch {
		return fmt.Errorf("%w: fit %.16s at epoch %d with %d numbers: want fit %.16s with %d", forecast.ErrFormat, s.Fit, s.Epoch, len(numbers), t.fit, sets*n)
	}
	t.progress = s.progress
	d := t.net.Device
	d.Write(t.net.Weights, numbers[:n])
	d.Write(t.m, numbers[n:2*n])
	d.Write(t.v, numbers[2*n:3*n])
	t.best = numbers[3*n:]
	return nil
}

// save writes a checkpoint atomically, so that there is always a complete one.
func (t *trainer) save() error {
	if t.Checkpoint == "" {
		return nil
	}
	if err := t.write(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

func (t *trainer) write() error {
	if err := os.MkdirAll(t.Checkpoint, 0o777); err != nil {
		return err
	}
	d, n := t.net.Device, t.net.Weights.Len()
	m, v := make([]float32, n), make([]float32, n)
	d.Read(m, t.m)
	d.Read(v, t.v)
	weights := t.weights(nil)
	if err := t.failed(); err != nil {
		return err
	}
	return atomicfile.Write(t.file(), func(w io.Writer) error {
		return writeContainer(w, checkpointFormat, savedProgress{t.fit, t.progress}, weights, m, v, t.best)
	})
}

// done removes the checkpoint, and temporary files of killed processes.
func (t *trainer) done() error {
	if t.Checkpoint == "" {
		return nil
	}
	if err := os.Remove(t.file()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return atomicfile.Clean(t.file())
}
