package tune

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/atomicfile"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "tune"

// ErrModel reports a file that is damaged or does not contain a model.
var ErrModel = errors.New("not a model file")

// A Model is a fitted forecaster, with its origin and what is needed to use it.
type Model struct {
	model.Origin
	Family  string
	Horizon int // number of steps that it was fitted to forecast
	// Until is the time of the last value that it was fitted to, zero in files of earlier versions.
	Until time.Time
	Data  *forecast.CSV
	// Intervals are those of the errors in the backtest, nil if there were too few.
	Intervals *forecast.Intervals
	// Forecaster is fitted.
	Forecaster forecast.Forecaster

	// folds has what the trial forecast in the folds, right after it was trained. It is not in files.
	folds forecast.Result
}

const modelFormat = "attune model"

// savedModel is a Model as JSON, without its origin. Version 1.
type savedModel struct {
	Family  string    `json:"family"`
	Horizon int       `json:"horizon"`
	Until   time.Time `json:"until,omitzero"`
	Data    *savedCSV `json:"data,omitempty"`

	Intervals  *forecast.Intervals `json:"intervals,omitempty"`
	Forecaster json.RawMessage     `json:"forecaster"` // output of Save, if it is JSON
	Binary     []byte              `json:"forecaster_base64,omitempty"`
}

// A savedCSV is a complete forecast.CSV.
type savedCSV struct {
	forecast.CSV
	Location string `json:"location,omitempty"`
	Comma    string `json:"comma,omitempty"`
}

// Write writes m as a line of JSON, followed by a line with its SHA-256.
func (m Model) Write(w io.Writer) error {
	var f bytes.Buffer
	if err := m.Forecaster.Save(&f); err != nil {
		return pkg.Errorf("write model: %w", err)
	}
	s := savedModel{Family: m.Family, Horizon: m.Horizon, Until: m.Until, Intervals: m.Intervals, Forecaster: json.RawMessage("null")}
	if json.Valid(f.Bytes()) {
		s.Forecaster = f.Bytes()
	} else {
		s.Binary = f.Bytes()
	}
	if d := m.Data; d != nil {
		s.Data = &savedCSV{CSV: *d}
		if d.Location != nil {
			s.Data.Location = d.Location.String()
		}
		if d.Comma != 0 {
			s.Data.Comma = string(d.Comma)
		}
	}
	if err := model.WriteSealed(w, modelFormat, 1, m.Origin, s); err != nil {
		return pkg.Errorf("write model: %w", err)
	}
	return nil
}

// WriteFile writes m to a file. It is atomic: the file is either complete or absent.
func (m Model) WriteFile(path string) error {
	if err := atomicfile.Write(path, m.Write); err != nil {
		return pkg.Errorf("write model %s: %w", path, err)
	}
	return nil
}

// ReadFile reads a file of [Model.WriteFile] with a model of one of the families. It fails
// with [ErrModel] for a file that is damaged or truncated, or has a model of another family.
func ReadFile(path string, families ...Family) (Model, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Model{}, pkg.Errorf("read model: %w", err)
	}
	m, err := read(data, families)
	if err != nil {
		return Model{}, pkg.Errorf("%w: %s: %w", ErrModel, path, err)
	}
	return m, nil
}

func read(data []byte, families []Family) (Model, error) {
	var s savedModel
	origin, err := model.Unseal(data, modelFormat, 1, &s)
	if err != nil {
		return Model{}, err
	}
	m := Model{Origin: origin, Family: s.Family, Horizon: s.Horizon, Until: s.Until, Intervals: s.Intervals}
	if d := s.Data; d != nil {
		m.Data = &d.CSV
		if d.Location != "" {
			if m.Data.Location, err = time.LoadLocation(d.Location); err != nil {
				return Model{}, fmt.Errorf("data: %w", err)
			}
		}
		for _, c := range d.Comma {
			m.Data.Comma = c
			break
		}
	}
	saved := append([]byte(s.Forecaster), '\n') // JSON drops the line feed, and readers of lines need it
	if s.Binary != nil {
		saved = s.Binary
	}
	for _, f := range families {
		if f.Name() != s.Family {
			continue
		}
		if m.Forecaster, err = f.New(m.Settings); err != nil {
			return Model{}, err
		}
		if err := m.Forecaster.Load(bytes.NewReader(saved)); err != nil {
			return Model{}, err
		}
		return m, nil
	}
	return Model{}, fmt.Errorf("its family is %q, which is not one of those asked for", s.Family)
}

// Best returns the model of the study's best trial. It reads the file that keeps it. If the file is missing, unreadable
// or from another trial, Best fits the model again and keeps it. It fails like [study.View.Best].
func (t *Task) Best(ctx context.Context, st study.Reader) (Model, error) {
	best, err := st.Best(ctx)
	if err != nil {
		return Model{}, err
	}
	return t.Model(ctx, st, best)
}

// Model returns the model of a complete trial. It reads the study's file. If the file is
// missing, unreadable or from another trial, Model fits the model again and replaces the
// file. If the model cannot be kept, Model returns it together with an error.
func (t *Task) Model(ctx context.Context, st study.Reader, r trial.Record) (Model, error) {
	return t.taskOf(r.Attrs).Model(ctx, st, r)
}

// Refit fits the forecaster of a complete trial to all of the data, with the trial's
// hyperparameters, seed and number of rounds. The result is the same model that the trial
// had. A trial without settings, such as one added from elsewhere, is fitted with its
// parameters, the fixed hyperparameters, and the default number of rounds.
func (t *Task) Refit(ctx context.Context, st study.Reader, r trial.Record) (Model, error) {
	return t.taskOf(r.Attrs).Refit(ctx, st, r)
}

// RefitOn is like [Task.Refit] on other data, such as newer ones: the frame of back. If rounds
// is not 0, the model is trained for that number of rounds instead of the trial's. Prediction
// intervals stay those of the trial.
func (t *Task) RefitOn(ctx context.Context, st study.Reader, r trial.Record, back *forecast.Backtest, rounds int) (Model, error) {
	on := *t
	on.Backtest = back
	settings, ok := Settings(r)
	if !ok {
		settings = slices.Concat(t.Fixed, r.Params.Settings())
	}
	o := model.Origin{Settings: on.withRounds(settings, rounds), Seed: st.TrialSeed(r.Number), Study: st.Name(), Trial: r.Number, Metric: t.metric().Name()}
	if len(r.Values) > 0 {
		o.Value = r.Values[0]
	}
	m, err := kind{&on, r.Attrs}.Fit(ctx, o)
	if err != nil {
		return m, pkg.Errorf("refit trial %d: %w", r.Number, err)
	}
	return m, nil
}
