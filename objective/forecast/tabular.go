package forecast

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// A Regressor learns a table: a tree ensemble, a neural network, a linear model. Several
// may learn from one table concurrently, so a Regressor must not change it.
type Regressor interface {
	// Fit learns from train. It calls [RegressorOptions.Iterate] after each round, and
	// returns its error. Y has one column unless the strategy is Joint.
	//
	// valid is for early stopping and for [RegressorIteration.Valid]. If nothing is held
	// out, valid has no Y. Its rows, if any, are then those of the forecast after the data,
	// for [RegressorIteration.Predictions].
	Fit(ctx context.Context, train, valid Table, opts RegressorOptions) error
	// Predict returns one row per row of x, with the columns of Y. It must be safe for
	// concurrent use, and must not change x.
	Predict(x Matrix) (Matrix, error)
	Save(w io.Writer) error
	Load(r io.Reader) error
}

// RegressorOptions are the arguments of [Regressor.Fit] other than the data.
type RegressorOptions struct {
	Seed    uint64 // determines all randomness: the same seed makes the same model
	Threads int    // maximum number of goroutines; default 1
	// OnIteration, if not nil, is called after each round of training, never concurrently.
	// If it returns an error, the training ends.
	OnIteration func(RegressorIteration) error
}

// A RegressorIteration is the state of the training of a [Regressor] after a round.
type RegressorIteration struct {
	Round        int     // from 0
	Train, Valid float64 // losses; NaN if unknown
	// Predictions returns the current predictions of the regressor for the rows of valid. It
	// may only be called before OnIteration returns. It is nil if the regressor cannot
	// predict during its training.
	Predictions func() (Matrix, error)
}

// Iterate calls OnIteration, if it is set.
func (o RegressorOptions) Iterate(it RegressorIteration) error {
	if o.OnIteration == nil {
		return nil
	}
	return o.OnIteration(it)
}

// Tabular turns any [Regressor] into a [Forecaster]. New is required.
type Tabular struct {
	Recipe Recipe
	New    func() Regressor // returns an empty model; the strategy Direct needs one per step
	Cache  *Cache           // cache of tables; default none

	prepared *Prepared
	models   []Regressor
}

// Fit implements [Forecaster]. Model number i has the seed opts.Seed+i.
func (t *Tabular) Fit(ctx context.Context, train Frame, opts FitOptions) error {
	opts, err := opts.normalize()
	if err != nil {
		return pkg.Errorf("fit: %w", err)
	}
	if t.New == nil {
		return pkg.Errorf("fit: %w: there is no regressor to train", ErrConfig)
	}
	recipe := t.Recipe
	if recipe.Horizon == 0 {
		recipe.Horizon = opts.Horizon
	}
	t.prepared, t.models = nil, nil
	tables, err := t.Cache.tables(recipe, train, opts.Holdout)
	if err != nil {
		return err
	}
	models := make([]Regressor, len(tables.train))
	for i := range models {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		models[i] = t.New()
		o := RegressorOptions{Seed: opts.Seed + uint64(i), Threads: opts.Threads}
		if opts.OnIteration != nil {
			o.OnIteration = func(it RegressorIteration) error {
				to := Iteration{Model: i, Models: len(models), Round: it.Round, Train: it.Train, Valid: it.Valid}
				if it.Predictions != nil && len(models) == 1 && opts.Holdout == 0 && opts.Horizon <= recipe.Horizon {
					to.Forecast = func() (Frame, error) {
						y, err := it.Predictions()
						if err != nil {
							return nil, err
						}
						return tables.prepared.join(tables.valid[0], opts.Horizon, y)
					}
				}
				return opts.OnIteration(to)
			}
		}
		if err := models[i].Fit(ctx, tables.train[i], tables.valid[i], o); err != nil {
			return pkg.Errorf("fit model %d of %d: %w", i+1, len(models), err)
		}
	}
	t.prepared, t.models = tables.prepared, models
	return nil
}

// Predict implements [Forecaster].
func (t *Tabular) Predict(ctx context.Context, past Frame, horizon int) (Frame, error) {
	if t.prepared == nil {
		return nil, pkg.Errorf("predict: %w", ErrNotFitted)
	}
	return t.prepared.Predict(ctx, past, horizon, func(model int, x Matrix) (Matrix, error) { return t.models[model].Predict(x) })
}

// Models returns the fitted models, in the order of the steps if there is one per step. It
// returns nil before Fit.
func (t *Tabular) Models() []Regressor { return slices.Clone(t.models) }

// FeatureNames returns the names of the columns that the models see. It returns nil before
// Fit.
func (t *Tabular) FeatureNames() []string {
	if t.prepared == nil {
		return nil
	}
	return t.prepared.names()
}

// Table returns the rows that model number model would learn from in f, with the transforms that t
// was fitted with. It fails with [ErrNotFitted], with [ErrConfig] if there is no such model,
// with [ErrShort] if there is no row, and if f is unlike the training data.
func (t *Tabular) Table(f Frame, model int) (Table, error) {
	if t.prepared == nil {
		return Table{}, pkg.Errorf("table: %w", ErrNotFitted)
	}
	rows, _, err := t.prepared.Tables(f, model, 0)
	return rows, err
}

const tabularFormat = "attune forecast tabular"

// savedTabular is the JSON that Save writes. Version 1, or 2 if it is anchored, so that earlier
// versions do not misread it.
type savedTabular struct {
	Format     string           `json:"format"`
	Version    int              `json:"version"`
	Features   Features         `json:"features"`
	Transform  string           `json:"transform"` // in the form that ParseTransform reads
	Anchored   bool             `json:"anchored,omitempty"`
	Strategy   Strategy         `json:"strategy"`
	Horizon    int              `json:"horizon"`
	Frequency  Frequency        `json:"frequency"`
	Past       []string         `json:"past,omitempty"`
	Known      []string         `json:"known,omitempty"`
	Series     []string         `json:"series"`     // IDs
	Transforms []savedTransform `json:"transforms"` // by series, fitted
	Models     [][]byte         `json:"models"`     // output of Regressor.Save, in base64
}

func version(anchored bool) int {
	if anchored {
		return 2
	}
	return 1
}

// Save implements [Forecaster]. It writes one JSON object.
func (t *Tabular) Save(w io.Writer) error {
	p := t.prepared
	if p == nil {
		return pkg.Errorf("save: %w", ErrNotFitted)
	}
	s := savedTabular{Format: tabularFormat, Version: version(p.anchored), Features: p.features, Transform: p.transform.String(), Strategy: p.strategy,
		Anchored: p.anchored, Horizon: p.horizon, Frequency: p.freq, Past: p.past, Known: p.known, Series: p.ids}
	for _, f := range p.fitted {
		s.Transforms = append(s.Transforms, f.saved())
	}
	for i, m := range t.models {
		var b bytes.Buffer
		if err := m.Save(&b); err != nil {
			return pkg.Errorf("save model %d: %w", i, err)
		}
		s.Models = append(s.Models, b.Bytes())
	}
	if err := json.NewEncoder(w).Encode(s); err != nil {
		return pkg.Errorf("save: %w", err)
	}
	return nil
}

// Load implements [Forecaster]. It restores the saved recipe. New must make models of the
// saved kind. Load fails with [ErrFormat].
func (t *Tabular) Load(r io.Reader) error {
	if err := t.load(r); err != nil {
		return pkg.Errorf("load: %w", err)
	}
	return nil
}

func (t *Tabular) load(r io.Reader) error {
	if t.New == nil {
		return fmt.Errorf("%w: there is no regressor to train", ErrConfig)
	}
	var s savedTabular
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if s.Format != tabularFormat || s.Version != version(s.Anchored) {
		return fmt.Errorf("%w: format %q, version %d", ErrFormat, s.Format, s.Version)
	}
	transform, err := ParseTransform(s.Transform)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	p := &Prepared{features: s.Features, transform: transform, anchored: s.Anchored, strategy: s.Strategy, horizon: s.Horizon, freq: s.Frequency,
		past: s.Past, known: s.Known, ids: s.Series}
	models := 1
	if s.Strategy == Direct {
		models = s.Horizon
	}
	if !s.Frequency.Valid() || s.Horizon < 1 || len(s.Models) != models || len(s.Transforms) != len(s.Series) ||
		s.Strategy == Joint && s.Horizon > maxJoint {
		return fmt.Errorf("%w: %d models of strategy %q and horizon %d, %d transforms of %d series, frequency %q",
			ErrFormat, len(s.Models), s.Strategy, s.Horizon, len(s.Transforms), len(s.Series), s.Frequency)
	}
	if err := p.validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	for _, saved := range s.Transforms {
		f, err := saved.load()
		if err != nil {
			return err
		}
		p.fitted = append(p.fitted, f)
	}
	p.index()
	loaded := make([]Regressor, models)
	for i, b := range s.Models {
		loaded[i] = t.New()
		if err := loaded[i].Load(bytes.NewReader(b)); err != nil {
			return fmt.Errorf("model %d: %w", i, err)
		}
	}
	t.prepared, t.models = p, loaded
	t.Recipe = Recipe{Features: p.features, Transform: p.transform, Anchored: p.anchored, Strategy: p.strategy, Horizon: p.horizon}
	return nil
}

// maxJoint limits the steps of a saved joint model, which needs a name for each.
const maxJoint = 1 << 16
