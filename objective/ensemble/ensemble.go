package ensemble

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
)

// Name is the name of the family.
const Name = "ensemble"

// A Member is an unfitted model of an ensemble.
type Member struct {
	Weight   float64 // positive
	Family   string
	Settings space.Settings
	Seed     uint64 // seed of its training
	Study    string // the study it comes from; may be empty
	Trial    int
}

// savedMember is a Member as JSON.
type savedMember struct {
	Weight   float64         `json:"weight"`
	Family   string          `json:"family"`
	Settings json.RawMessage `json:"settings,omitempty"`
	Seed     uint64          `json:"seed,omitempty,string"`
	Study    string          `json:"study,omitempty"`
	Trial    int             `json:"trial"`
}

// MarshalJSON implements [json.Marshaler].
func (m Member) MarshalJSON() ([]byte, error) {
	all := make(map[string]json.RawMessage, len(m.Settings))
	for _, s := range m.Settings {
		all[s.Name] = json.RawMessage(s.Value)
	}
	settings, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	return json.Marshal(savedMember{m.Weight, m.Family, settings, m.Seed, m.Study, m.Trial})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (m *Member) UnmarshalJSON(data []byte) error {
	var s savedMember
	err := json.Unmarshal(data, &s)
	if err == nil {
		*m = Member{Weight: s.Weight, Family: s.Family, Seed: s.Seed, Study: s.Study, Trial: s.Trial}
		if len(s.Settings) > 0 {
			m.Settings, err = spaceyaml.ReadSettings(bytes.NewReader(s.Settings))
		}
	}
	return err
}

// String returns the member for people: "0.35 lightgbm (trial 12)".
func (m Member) String() string {
	if m.Study == "" {
		return fmt.Sprintf("%.2f %s", m.Weight, m.Family)
	}
	return fmt.Sprintf("%.2f %s (trial %d)", m.Weight, m.Family, m.Trial)
}

// Settings returns the hyperparameters of an ensemble. There is one for each member, which
// is JSON text. The first is member01.
func Settings(members []Member) (space.Settings, error) {
	var out space.Settings
	for i, m := range members {
		text, err := json.Marshal(m)
		if err != nil {
			return nil, pkg.Errorf("settings: member %d: %w", i+1, err)
		}
		out = append(out, space.Setting{Name: fmt.Sprintf("member%02d", i+1), Value: space.Lit(string(text))})
	}
	return out, nil
}

// Members reads settings that [Settings] returned. It fails with [forecast.ErrConfig].
func Members(settings space.Settings) ([]Member, error) {
	var out []Member
	for _, s := range settings {
		var m Member
		text, ok := s.Value.Any().(string)
		if !ok || json.Unmarshal([]byte(text), &m) != nil || !(m.Weight > 0) || math.IsInf(m.Weight, 0) {
			return nil, pkg.Errorf("%s is %s: %w: want a member of an ensemble", s.Name, s.Value, forecast.ErrConfig)
		}
		out = append(out, m)
	}
	if len(out) == 0 {
		return nil, pkg.Errorf("%w: there are no members", forecast.ErrConfig)
	}
	return out, nil
}

// Family makes ensembles. It implements [tune.Family].
type Family struct {
	Of []tune.Family // families of the members
}

// Name returns "ensemble".
func (Family) Name() string { return Name }

// Rounds returns "".
func (Family) Rounds() string { return "" }

// Space returns an empty space: [Choose] makes the choice.
func (Family) Space(forecast.Frame) space.Space { return nil }

// New returns a forecaster with the members in settings, which [Settings] returned. It fails
// with [forecast.ErrConfig] for other settings, and for a member whose family is not in f.Of.
func (f Family) New(settings space.Settings) (forecast.Forecaster, error) {
	members, err := Members(settings)
	if err != nil {
		return nil, err
	}
	e := &Forecaster{members: members}
	for _, m := range members {
		i := slices.IndexFunc(f.Of, func(of tune.Family) bool { return of.Name() == m.Family })
		if i < 0 {
			return nil, pkg.Errorf("member %v: %w: there is no family %s", m, forecast.ErrConfig, m.Family)
		}
		model, err := f.Of[i].New(m.Settings)
		if err != nil {
			return nil, pkg.Errorf("member %v: %w", m, err)
		}
		e.models = append(e.models, model)
	}
	return e, nil
}

// A Forecaster predicts the weighted mean of its members' predictions. [Family.New] makes
// one. It implements [forecast.Forecaster].
type Forecaster struct {
	members []Member
	models  []forecast.Forecaster

	mu     sync.RWMutex
	fitted bool
}

// Members returns the members. Models returns their models in the same order.
func (f *Forecaster) Members() []Member { return slices.Clone(f.members) }

// Models returns the members' models. They are fitted if f is.
func (f *Forecaster) Models() []forecast.Forecaster { return slices.Clone(f.models) }

// Weights returns the weights of the members.
func (f *Forecaster) Weights() []float64 {
	out := make([]float64, len(f.members))
	for i, m := range f.members {
		out[i] = m.Weight
	}
	return out
}

// Fit implements [forecast.Forecaster]. It fits the members one after the other, each with
// its own seed. It makes no iterations.
func (f *Forecaster) Fit(ctx context.Context, train forecast.Frame, opts forecast.FitOptions) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fitted, opts.OnIteration = false, nil
	for i, m := range f.models {
		opts.Seed = f.members[i].Seed
		if err := m.Fit(ctx, train, opts); err != nil {
			return pkg.Errorf("fit: member %v: %w", f.members[i], err)
		}
	}
	f.fitted = true
	return nil
}

// Predict implements [forecast.Forecaster]. Where a series is too short for a member, or a
// value that it needs is missing, the other members forecast that series. It fails if none can.
func (f *Forecaster) Predict(ctx context.Context, past forecast.Frame, horizon int) (forecast.Frame, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if !f.fitted {
		return nil, pkg.Errorf("predict: %w", forecast.ErrNotFitted)
	}
	next, err := f.mean(ctx, past, horizon, false)
	if lacking(err) && len(past) > 0 {
		next = nil
		for i := range past {
			one, err := f.mean(ctx, past[i:i+1], horizon, true)
			if err != nil {
				return nil, pkg.Errorf("predict: %w", err)
			}
			next = append(next, one...)
		}
		return next, nil
	}
	if err != nil {
		return nil, pkg.Errorf("predict: %w", err)
	}
	return next, nil
}

// lacking reports whether an error says that a series has too little for a model.
func lacking(err error) bool {
	return errors.Is(err, forecast.ErrShort) || errors.Is(err, forecast.ErrMissing)
}

// mean returns the weighted mean of the members' forecasts, without those whose error is
// lacking if some may be left out.
func (f *Forecaster) mean(ctx context.Context, past forecast.Frame, horizon int, some bool) (forecast.Frame, error) {
	var out forecast.Frame
	var first error
	total := 0.0
	for i, m := range f.models {
		next, err := m.Predict(ctx, past, horizon)
		if err != nil {
			err = fmt.Errorf("member %v: %w", f.members[i], err)
			if !some || !lacking(err) {
				return nil, err
			}
			first = cmp.Or(first, err)
			continue
		}
		w := f.members[i].Weight
		total += w
		if out == nil {
			out = slices.Clone(next)
			for k := range out {
				out[k].Y = make([]float64, len(next[k].Y))
			}
		}
		for k, s := range next {
			for j, y := range s.Y {
				out[k].Y[j] += w * y
			}
		}
	}
	if out == nil {
		return nil, first
	}
	for _, s := range out {
		for j := range s.Y {
			s.Y[j] /= total
		}
	}
	return out, nil
}

const savedFormat = "attune ensemble"

// saved is a Forecaster as JSON. Version 1.
type saved struct {
	Format  string       `json:"format"`
	Version int          `json:"version"`
	Models  []savedModel `json:"models"` // models of the members, in their order
}

// A savedModel is the output of a member's Save.
type savedModel struct {
	JSON   json.RawMessage `json:"json,omitempty"`
	Base64 []byte          `json:"base64,omitempty"` // if it is not JSON
}

// Save implements [forecast.Forecaster], as JSON.
func (f *Forecaster) Save(w io.Writer) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if !f.fitted {
		return pkg.Errorf("save: %w", forecast.ErrNotFitted)
	}
	s := saved{Format: savedFormat, Version: 1}
	for i, m := range f.models {
		var b bytes.Buffer
		if err := m.Save(&b); err != nil {
			return pkg.Errorf("save: member %v: %w", f.members[i], err)
		}
		one := savedModel{Base64: b.Bytes()}
		if json.Valid(b.Bytes()) {
			one = savedModel{JSON: b.Bytes()}
		}
		s.Models = append(s.Models, one)
	}
	if err := json.NewEncoder(w).Encode(s); err != nil {
		return pkg.Errorf("save: %w", err)
	}
	return nil
}

// Load implements [forecast.Forecaster]. It fails with [forecast.ErrFormat] for anything but
// an ensemble with the same members.
func (f *Forecaster) Load(r io.Reader) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.load(r); err != nil {
		return fault.Mark(pkg.Errorf("load: %w", err), forecast.ErrFormat)
	}
	f.fitted = true
	return nil
}

func (f *Forecaster) load(r io.Reader) error {
	var s saved
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return err
	}
	if s.Format != savedFormat || s.Version != 1 || len(s.Models) != len(f.models) {
		return fmt.Errorf("%w: format %q, version %d, %d members", forecast.ErrFormat, s.Format, s.Version, len(s.Models))
	}
	for i, m := range s.Models {
		data := m.Base64
		if m.JSON != nil {
			data = append(slices.Clone([]byte(m.JSON)), '\n') // readers of lines need the line feed
		}
		if err := f.models[i].Load(bytes.NewReader(data)); err != nil {
			return fmt.Errorf("member %v: %w", f.members[i], err)
		}
	}
	return nil
}
