package katib

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/attune-hpo/attune/katib/internal/api"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// Health is the service name in the health checks of Katib.
const Health = "manager.v1beta1.Suggestion"

// Label is the label with the number of a trial.
const Label = "attune/trial"

// A Service suggests parameters. It is safe for concurrent use. Create it with [New].
type Service struct {
	api.UnimplementedSuggestionServer

	mu    sync.Mutex
	notes map[string]map[int]trial.Attrs // notes of samplers, by experiment and trial number
}

// New returns a service.
func New() *Service { return &Service{notes: map[string]map[int]trial.Attrs{}} }

// Register registers the service with a gRPC server.
func (s *Service) Register(r grpc.ServiceRegistrar) { api.RegisterSuggestionServer(r, s) }

// failure converts an error to one with the status code that Katib's controller expects.
func failure(err error) error {
	code := codes.Internal
	switch {
	case errors.Is(err, errSpec):
		code = codes.InvalidArgument
	case errors.Is(err, sampler.ErrExhausted):
		code = codes.ResourceExhausted
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	}
	return status.Error(code, err.Error())
}

// ValidateAlgorithmSettings implements the RPC. It fails with INVALID_ARGUMENT for an experiment
// for which GetSuggestions would fail.
func (s *Service) ValidateAlgorithmSettings(ctx context.Context, in *api.ValidateAlgorithmSettingsRequest) (*api.ValidateAlgorithmSettingsReply, error) {
	st, _, err := s.open(ctx, in.Experiment)
	if err != nil {
		return nil, failure(err)
	}
	return &api.ValidateAlgorithmSettingsReply{}, st.Close()
}

// most is the maximum number of suggestions in a request.
const most = 10_000

// GetSuggestions implements the RPC.
func (s *Service) GetSuggestions(ctx context.Context, in *api.GetSuggestionsRequest) (*api.GetSuggestionsReply, error) {
	out, err := s.suggest(ctx, in)
	if err != nil {
		return nil, failure(err)
	}
	return out, nil
}

func (s *Service) suggest(ctx context.Context, in *api.GetSuggestionsRequest) (*api.GetSuggestionsReply, error) {
	st, ps, err := s.open(ctx, in.Experiment)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	if n := in.CurrentRequestNumber; n < 0 || n > most {
		return nil, fmt.Errorf("%w: %d suggestions: want 0 to %d", errSpec, n, most)
	}
	if err := s.replay(ctx, st, ps, in); err != nil {
		return nil, err
	}
	out := &api.GetSuggestionsReply{}
	for range in.CurrentRequestNumber {
		t, err := st.Ask(ctx)
		if err != nil {
			return nil, err
		}
		a := &api.GetSuggestionsReply_ParameterAssignments{Labels: map[string]string{Label: strconv.Itoa(t.Number())}}
		for _, p := range ps {
			a.Assignments = append(a.Assignments, &api.ParameterAssignment{Name: p.axis.Name, Value: p.text(t.Suggest(p.axis))})
		}
		if err := t.Err(); err != nil {
			return nil, err
		}
		out.ParameterAssignments = append(out.ParameterAssignments, a)
	}
	return out, s.remember(ctx, st, in.Experiment.GetName())
}

// open returns an empty study for an experiment, and the experiment's parameters.
func (s *Service) open(ctx context.Context, e *api.Experiment) (*study.Study, []param, error) {
	ps, err := params(e.GetSpec().GetParameterSpecs().GetParameters())
	if err != nil {
		return nil, nil, err
	}
	axes := axesOf(ps)
	draws, seed, err := choose(e, axes)
	if err != nil {
		return nil, nil, err
	}
	cfg := study.Config{
		Sampler: draws, Space: axes, Seed: seed, Directions: []trial.Direction{trial.Minimize},
		Renewal: study.Never, // suggestions are in the history at once
	}
	switch e.GetSpec().GetObjective().GetType() {
	case api.ObjectiveType_MINIMIZE:
	case api.ObjectiveType_MAXIMIZE:
		cfg.Directions[0] = trial.Maximize
	default:
		return nil, nil, fmt.Errorf("%w: its objective has the type %v: want minimize or maximize", errSpec, e.GetSpec().GetObjective().GetType())
	}
	st, err := study.Create(ctx, new(memory.Store), cmp.Or(e.GetName(), "experiment"), cfg)
	if err != nil {
		err = fmt.Errorf("%w: %w", errSpec, err)
	}
	return st, ps, err
}

func axesOf(ps []param) space.Space {
	axes := make(space.Space, len(ps))
	for i, p := range ps {
		axes[i] = p.axis
	}
	return axes
}

// replay adds the trials of a request to a study. Their labels have their numbers. Trials
// without a label, such as those of another service, follow in order of their start. For numbers
// of trials that are no longer in the request, it adds failed trials without parameters, so that
// no number is used twice.
func (s *Service) replay(ctx context.Context, st *study.Study, ps []param, in *api.GetSuggestionsRequest) error {
	s.mu.Lock()
	notes := s.notes[in.Experiment.GetName()]
	s.mu.Unlock()
	metric := in.Experiment.GetSpec().GetObjective().GetObjectiveMetricName()
	numbered, rest := map[int]*api.Trial{}, []*api.Trial(nil)
	last := -1
	for _, t := range in.Trials {
		n, err := strconv.Atoi(t.GetSpec().GetLabels()[Label])
		const beyond = 1 << 20
		if err != nil || n < 0 || n > beyond || numbered[n] != nil {
			rest = append(rest, t)
			continue
		}
		numbered[n], last = t, max(last, n)
	}
	slices.SortStableFunc(rest, func(a, b *api.Trial) int {
		return cmp.Or(cmp.Compare(a.GetStatus().GetStartTime(), b.GetStatus().GetStartTime()), cmp.Compare(a.Name, b.Name))
	})
	axes := axesOf(ps)
	records := make([]trial.Record, last+1, last+1+len(rest))
	now := time.Now()
	for n := range records {
		records[n] = record(numbered[n], ps, axes, metric, now)
		records[n].Notes = slices.Concat(records[n].Notes, notes[n])
	}
	for _, t := range rest {
		records = append(records, record(t, ps, axes, metric, now))
	}
	if _, err := st.Add(ctx, records...); err != nil {
		return err
	}
	for _, r := range records {
		if r.State == trial.Waiting {
			t, err := st.Ask(ctx) // a running trial
			if err != nil {
				return err
			}
			for _, p := range ps {
				t.Suggest(p.axis)
			}
			if err := t.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// record converts a trial to a record. A running trial becomes a waiting one, for which replay
// asks.
func record(t *api.Trial, ps []param, axes space.Space, metric string, now time.Time) trial.Record {
	failed := trial.Record{State: trial.Failed, Started: now, Finished: now}
	if t == nil {
		return failed
	}
	assignments := inOrder(t.GetSpec().GetParameterAssignments().GetAssignments(), ps)
	at := space.Params{Space: axes, Point: make([]float64, len(ps))}
	for i, p := range ps {
		x, ok := p.coord(assignments[i].Value)
		if !ok || !p.axis.Distribution.Contains(x) {
			return failed // from an earlier search space
		}
		at.Point[i] = x
	}
	r := failed
	r.Params = at
	value := observed(t, metric)
	switch t.GetStatus().GetCondition() {
	case api.TrialStatus_CREATED, api.TrialStatus_RUNNING:
		return trial.Record{State: trial.Waiting, Fixed: at.Settings()}
	case api.TrialStatus_SUCCEEDED:
		if !math.IsNaN(value) {
			r.State, r.Values = trial.Complete, []float64{value}
		}
	case api.TrialStatus_EARLYSTOPPED:
		if !math.IsNaN(value) {
			r.State, r.Values, r.Reports = trial.Pruned, []float64{value}, []trial.Report{{Step: 0, Value: value}}
		}
	case api.TrialStatus_KILLED:
		r.Notes = trial.Attrs{{Key: trial.InterruptedKey, JSON: "true"}}
	}
	return r
}

// inOrder returns the assignments of the parameters, each once, and an empty one for a parameter without. Those of
// attune's own trials are in order.
func inOrder(assignments []*api.ParameterAssignment, ps []param) []*api.ParameterAssignment {
	if slices.EqualFunc(assignments, ps, func(a *api.ParameterAssignment, p param) bool { return a.Name == p.axis.Name }) {
		return assignments
	}
	texts := map[string]string{}
	for _, a := range assignments {
		texts[a.Name] = a.Value
	}
	sorted := make([]*api.ParameterAssignment, len(ps))
	for i, p := range ps {
		sorted[i] = &api.ParameterAssignment{Name: p.axis.Name, Value: texts[p.axis.Name]}
	}
	return sorted
}

// observed returns the value of a metric, or NaN if there is none.
func observed(t *api.Trial, metric string) float64 {
	for _, m := range t.GetStatus().GetObservation().GetMetrics() {
		if m.Name == metric {
			if x, err := strconv.ParseFloat(m.Value, 64); err == nil {
				return x
			}
		}
	}
	return math.NaN()
}

// experiments is the maximum number of experiments with notes of samplers. A service in Katib has
// only one.
const experiments = 16

// remember stores the notes of samplers about running trials.
func (s *Service) remember(ctx context.Context, st *study.Study, experiment string) error {
	h, err := st.Snapshot(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range h.Running() {
		if len(r.Notes) == 0 {
			continue
		}
		if s.notes[experiment] == nil {
			if len(s.notes) == experiments {
				clear(s.notes)
			}
			s.notes[experiment] = map[int]trial.Attrs{}
		}
		s.notes[experiment][r.Number] = r.Notes
	}
	return nil
}
