package lightgbm

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/trainer"
)

// A booster is a training, with everything that it holds in LightGBM.
type booster struct {
	lib      *library
	settings string
	outputs  int
	ranks    bool // the rows have queries
	handle   uintptr
	datasets []uintptr // the training rows and, if scored, the validation rows
}

// Begin implements [trainer.Training].
func (b *booster) Begin(train, valid engine.Dataset) error {
	if err := b.dataset(train, 0); err != nil {
		return err
	}
	label, err := trainer.Float32("label", train.Label)
	if err != nil {
		return err
	}
	if err := b.field("label", label); err != nil {
		return err
	}
	if train.Weight != nil {
		weight, err := trainer.Float32("weight", train.Weight)
		if err != nil {
			return err
		}
		if err := b.field("weight", weight); err != nil {
			return err
		}
	}
	if b.ranks { // the number of rows of each query
		var sizes []int32
		for i, q := range train.Query {
			if i == 0 || q != train.Query[i-1] {
				sizes = append(sizes, 0)
			}
			sizes[len(sizes)-1]++
		}
		if b.lib.datasetSetInts(b.datasets[0], "group", sizes, int32(len(sizes)), int32s) != 0 {
			return b.lib.err("set group")
		}
	}
	if b.lib.boosterCreate(b.datasets[0], b.settings, &b.handle) != 0 {
		return b.lib.refused()
	}
	var classes int32
	if b.lib.boosterGetNumClasses(b.handle, &classes) != 0 {
		return b.lib.err("number of classes")
	}
	if int(classes) != b.outputs {
		return engine.BadParam("Extra", b.settings, fmt.Sprintf("settings for %d outputs a row, as Loss has it", b.outputs))
	}
	if valid.Rows() == 0 {
		return nil
	}
	if err := b.dataset(valid, b.datasets[0]); err != nil {
		return err
	}
	if b.lib.boosterAddValidData(b.handle, b.datasets[1]) != 0 {
		return b.lib.err("add validation rows")
	}
	return nil
}

// LightGBM's codes of number types.
const (
	float32s = 0
	float64s = 1
	int32s   = 2
)

// dataset hands over the features of d. If reference is not 0, it uses the intervals of reference.
func (b *booster) dataset(d engine.Dataset, reference uintptr) error {
	rows := d.Rows()
	values := make([]float64, 0, rows*len(d.Columns))
	for _, column := range d.Columns {
		for _, v := range column {
			values = append(values, min(max(v, -math.MaxFloat64), math.MaxFloat64)) // it finds no threshold between infinity and a number
		}
	}
	const byColumn = 0
	var handle uintptr
	if b.lib.datasetCreateFromMat(values, float64s, int32(rows), int32(len(d.Columns)), byColumn, b.settings, reference, &handle) != 0 {
		return b.lib.refused()
	}
	b.datasets = append(b.datasets, handle)
	return nil
}

func (b *booster) field(name string, values []float32) error {
	if b.lib.datasetSetField(b.datasets[0], name, values, int32(len(values)), float32s) != 0 {
		return b.lib.err("set " + name)
	}
	return nil
}

// Boost implements [trainer.Training].
func (b *booster) Boost() (rounds int, err error) {
	var finished, current int32
	if b.lib.boosterUpdateOneIter(b.handle, &finished) != 0 {
		return 0, b.lib.err("train")
	}
	if b.lib.boosterGetCurrentIteration(b.handle, &current) != 0 {
		return 0, b.lib.err("train")
	}
	return int(current), nil
}

// Train implements [trainer.Training].
func (b *booster) Train() ([]float64, error) { return b.predictions(0) }

// Valid implements [trainer.Training].
func (b *booster) Valid() ([]float64, error) { return b.predictions(1) }

// predictions returns LightGBM's own predictions for a data set so far.
func (b *booster) predictions(set int32) ([]float64, error) {
	var n int64
	if b.lib.boosterGetNumPredict(b.handle, set, &n) != 0 {
		return nil, b.lib.err("predict")
	}
	byOutput := make([]float64, n)
	if n == 0 || b.lib.boosterGetPredict(b.handle, set, &n, byOutput) != 0 {
		return nil, b.lib.err("predict")
	}
	if b.outputs == 1 {
		return byOutput, nil
	}
	byRow := make([]float64, n)
	rows := int(n) / b.outputs
	for k := range b.outputs {
		for i, v := range byOutput[k*rows : (k+1)*rows] {
			byRow[i*b.outputs+k] = v
		}
	}
	return byRow, nil
}

// Model implements [trainer.Training].
func (b *booster) Model(rounds int) (*tree.Model, error) {
	text := make([]byte, 1<<20)
	for {
		var size int64
		if b.lib.boosterSaveModelToString(b.handle, 0, int32(rounds), 0, int64(len(text)), &size, text) != 0 {
			return nil, b.lib.err("save model")
		}
		if size <= int64(len(text)) {
			text = text[:size]
			break
		}
		text = make([]byte, size)
	}
	m, err := tree.ReadLightGBM(bytes.NewReader(bytes.TrimSuffix(text, []byte{0})))
	if err != nil {
		return nil, fmt.Errorf("lightgbm: %w", err)
	}
	return m, nil
}

// Free implements [trainer.Training].
func (b *booster) Free() {
	if b.handle != 0 {
		b.lib.boosterFree(b.handle)
	}
	for _, d := range b.datasets {
		b.lib.datasetFree(d)
	}
}

// err returns LightGBM's last error on this thread, after what was being done.
func (l *library) err(doing string) error {
	return fmt.Errorf("lightgbm: %s: %w", doing, errors.New(l.getLastError()))
}

// refused returns LightGBM's last error as an error about the settings.
func (l *library) refused() error {
	return fmt.Errorf("lightgbm: begin: %w: %s", engine.ErrParams, l.getLastError())
}
