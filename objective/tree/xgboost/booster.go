package xgboost

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"unsafe"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/trainer"
)

// A booster is a training, with everything that it holds in XGBoost.
type booster struct {
	lib      *library
	outputs  int
	threads  int
	settings trainer.Settings
	extra    map[string]string // the settings that come from Params.Extra
	rounds   int
	handle   uintptr
	matrices []uintptr // the training rows and, if scored, the validation rows
	rows     []int     // of the matrices
}

// Begin implements [trainer.Training].
func (b *booster) Begin(train, valid engine.Dataset) error {
	if b.lib.setGlobalConfig(`{"verbosity": 0}`) != 0 {
		return b.lib.err("configure")
	}
	if err := b.matrix(train, train.Categorical); err != nil {
		return err
	}
	label, err := trainer.Float32("label", train.Label)
	if err != nil {
		return err
	}
	if err := b.info(0, "label", label); err != nil {
		return err
	}
	if train.Weight != nil {
		weight, err := trainer.Float32("weight", train.Weight)
		if err != nil {
			return err
		}
		if err := b.info(0, "weight", weight); err != nil {
			return err
		}
	}
	if valid.Rows() > 0 {
		if err := b.matrix(valid, train.Categorical); err != nil {
			return err
		}
		if err := b.info(1, "label", make([]float32, valid.Rows())); err != nil { // some losses count them
			return err
		}
	}
	if b.lib.boosterCreate(b.matrices, uint64(len(b.matrices)), &b.handle) != 0 {
		return b.lib.err("begin")
	}
	for _, name := range slices.Sorted(maps.Keys(b.settings)) {
		if b.lib.boosterSetParam(b.handle, name, b.settings[name]) != 0 {
			return b.lib.refused()
		}
	}
	return b.configure()
}

// configure makes XGBoost parse the settings, and refuses unknown ones.
func (b *booster) configure() error {
	var rc int32
	said := b.lib.listen(func() {
		var size uint64
		var text *byte
		rc = b.lib.boosterSaveJSONConfig(b.handle, &size, &text)
	})
	if rc != 0 {
		return b.lib.refused()
	}
	for _, name := range unused(said) {
		return engine.BadParam(fmt.Sprintf("Extra[%q]", name), b.extra[name], "nothing: XGBoost has no such setting, or does not use it here")
	}
	return nil
}

// matrix hands over the features of d. categorical lists those that are categories.
func (b *booster) matrix(d engine.Dataset, categorical []int) error {
	rows, width := d.Rows(), len(d.Columns)
	values := make([]float32, rows*width)
	for f, column := range d.Columns {
		isCategory := slices.Contains(categorical, f)
		for i, v := range column {
			if isCategory && v < 0 {
				v = math.NaN()
			}
			values[i*width+f] = float32(min(max(v, -math.MaxFloat32), math.MaxFloat32))
		}
	}
	var handle uintptr
	if b.lib.matrixCreate(values, uint64(rows), uint64(width), float32(math.NaN()), &handle, int32(b.threads)) != 0 {
		return b.lib.refused()
	}
	b.matrices = append(b.matrices, handle)
	b.rows = append(b.rows, rows)
	if len(categorical) == 0 {
		return nil
	}
	number, category := []byte("float\x00"), []byte("c\x00")
	kinds := make([]*byte, width)
	for f := range kinds {
		kinds[f] = &number[0]
	}
	for _, f := range categorical {
		kinds[f] = &category[0]
	}
	if b.lib.matrixSetStrFeatureInfo(handle, "feature_type", kinds, uint64(width)) != 0 {
		return b.lib.err("set categories")
	}
	return nil
}

func (b *booster) info(matrix int, name string, values []float32) error {
	if b.lib.matrixSetFloatInfo(b.matrices[matrix], name, values, uint64(len(values))) != 0 {
		return b.lib.err("set " + name)
	}
	return nil
}

// Boost implements [trainer.Training].
func (b *booster) Boost() (rounds int, err error) {
	if b.lib.boosterUpdateOneIter(b.handle, int32(b.rounds), b.matrices[0]) != 0 {
		if b.rounds == 0 { // it checks some settings only now
			return 0, b.lib.refused()
		}
		return 0, b.lib.err("train")
	}
	b.rounds++
	return b.rounds, nil
}

// Train implements [trainer.Training].
func (b *booster) Train() ([]float64, error) { return b.predictions(0) }

// Valid implements [trainer.Training].
func (b *booster) Valid() ([]float64, error) { return b.predictions(1) }

// predictions returns XGBoost's own predictions for a matrix. XGBoost caches those of
// earlier rounds.
func (b *booster) predictions(matrix int) ([]float64, error) {
	const config = `{"type": 0, "training": false, "iteration_begin": 0, "iteration_end": 0, "strict_shape": false}`
	var shape *uint64
	var dimensions uint64
	var result *float32
	if b.lib.boosterPredict(b.handle, b.matrices[matrix], config, &shape, &dimensions, &result) != 0 {
		return nil, b.lib.err("predict")
	}
	n := 1
	for _, size := range unsafe.Slice(shape, dimensions) {
		n *= int(size)
	}
	if n != b.rows[matrix]*b.outputs {
		return nil, engine.BadParam("Extra", fmt.Sprintf("%d predictions for %d rows", n, b.rows[matrix]), fmt.Sprintf("settings for %d outputs a row, as Loss has it", b.outputs))
	}
	predictions := make([]float64, n)
	for i, v := range unsafe.Slice(result, n) {
		predictions[i] = float64(v)
	}
	return predictions, nil
}

// Model implements [trainer.Training].
func (b *booster) Model(rounds int) (*tree.Model, error) {
	var size uint64
	var text *byte
	if b.lib.boosterSaveModelToBuffer(b.handle, `{"format": "ubj"}`, &size, &text) != 0 {
		return nil, b.lib.err("save model")
	}
	m, err := tree.ReadXGBoost(bytes.NewReader(unsafe.Slice(text, size)))
	if err != nil {
		return nil, fmt.Errorf("xgboost: %w", err)
	}
	if m.Outputs != b.outputs {
		return nil, engine.BadParam("Extra", b.extra, fmt.Sprintf("settings for %d outputs a row, as Loss has it", b.outputs))
	}
	m.Trees = slices.Clip(m.Trees[:len(m.Trees)/b.rounds*rounds])
	return m, nil
}

// Free implements [trainer.Training].
func (b *booster) Free() {
	if b.handle != 0 {
		b.lib.boosterFree(b.handle)
	}
	for _, m := range b.matrices {
		b.lib.matrixFree(m)
	}
}

// err returns XGBoost's last error on this thread, after what was being done.
func (l *library) err(doing string) error {
	return fmt.Errorf("xgboost: %s: %w", doing, errors.New(l.lastError()))
}

// refused returns XGBoost's last error as an error about the settings.
func (l *library) refused() error {
	return fmt.Errorf("xgboost: begin: %w: %s", engine.ErrParams, l.lastError())
}
