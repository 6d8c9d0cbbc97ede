package lightgbm

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/attune-hpo/attune/internal/dylib"
	"github.com/attune-hpo/attune/objective/tree"
)

// A Peer predicts with LightGBM itself, on one thread. It is not safe for
// concurrent use.
type Peer struct {
	lib             *library
	booster, single uintptr
	columns         int
	predictForMat   func(booster uintptr, rows []float64, kind, n, columns, byRow, raw, from, rounds int32, settings string, written *int64, out []float64) int32
	singleRow       uintptr // called without reflection, so that it can be timed
	getLastError    uintptr
	free            func()
}

const (
	settings  = "num_threads=1"
	rawScores = 1
)

// NewPeer has LightGBM load m.
func NewPeer(m *tree.Model) (*Peer, error) {
	lib, err := load("")
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := tree.WriteLightGBM(&text, m); err != nil {
		return nil, err
	}
	var file *dylib.Library
	mu.Lock()
	for f, l := range libraries {
		if l == lib {
			file = f
		}
	}
	mu.Unlock()
	p := &Peer{lib: lib, columns: len(m.Features)}
	var loadModel func(text string, rounds *int32, booster *uintptr) int32
	var initSingle func(booster uintptr, raw, from, rounds, kind, columns int32, settings string, config *uintptr) int32
	var freeSingle func(config uintptr) int32
	if err := errors.Join(
		file.Func("LGBM_BoosterLoadModelFromString", &loadModel),
		file.Func("LGBM_BoosterPredictForMat", &p.predictForMat),
		file.Func("LGBM_BoosterPredictForMatSingleRowFastInit", &initSingle),
		file.Func("LGBM_FastConfigFree", &freeSingle),
	); err != nil {
		return nil, err
	}
	if p.singleRow, err = file.Symbol("LGBM_BoosterPredictForMatSingleRowFast"); err != nil {
		return nil, err
	}
	if p.getLastError, err = file.Symbol("LGBM_GetLastError"); err != nil {
		return nil, err
	}
	var rounds int32
	if loadModel(text.String(), &rounds, &p.booster) != 0 {
		return nil, lib.err("load")
	}
	if initSingle(p.booster, rawScores, 0, -1, float64s, int32(p.columns), settings, &p.single) != 0 {
		return nil, lib.err("single row")
	}
	p.free = func() {
		freeSingle(p.single)
		lib.boosterFree(p.booster)
	}
	return p, nil
}

func (p *Peer) Free() { p.free() }

// PredictRaw is LGBM_BoosterPredictForMat.
func (p *Peer) PredictRaw(rows, out []float64) error {
	const byRow = 1
	var n int64
	if p.predictForMat(p.booster, rows, float64s, int32(len(rows)/p.columns), int32(p.columns), byRow, rawScores, 0, -1, settings, &n, out) != 0 {
		return p.lib.err("predict")
	}
	if int(n) != len(out) {
		return fmt.Errorf("%d values for %d", n, len(out))
	}
	return nil
}

// PredictRow is LGBM_BoosterPredictForMatSingleRowFast.
func (p *Peer) PredictRow(row, out []float64) error {
	var n int64
	r, _, _ := purego.SyscallN(p.singleRow, p.single, uintptr(unsafe.Pointer(&row[0])), uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&out[0])))
	if r != 0 {
		return p.lib.err("predict")
	}
	return nil
}

// Nothing calls a LightGBM function that does nothing, to measure the cost of a call.
func (p *Peer) Nothing() { purego.SyscallN(p.getLastError) }
