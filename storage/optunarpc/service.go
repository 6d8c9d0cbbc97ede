package optunarpc

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/optunarpc/internal/api"
	"github.com/attune-hpo/attune/trial"
)

// A Service answers the calls of Optuna's storage proxy from a store. It is safe for
// concurrent use. Create it with [New].
type Service struct {
	api.UnimplementedStorageServiceServer
	store storage.Store

	mu     sync.Mutex
	names  map[int64]string  // of the ids given out
	ids    map[string]int64  // by name
	open   map[string]*study // by name
	closed bool
}

// New returns a service for a store, which must outlive it.
func New(s storage.Store) *Service {
	return &Service{store: s, names: map[int64]string{}, ids: map[string]int64{}, open: map[string]*study{}}
}

// Register makes a server answer the calls.
func (s *Service) Register(r grpc.ServiceRegistrar) { api.RegisterStorageServiceServer(r, s) }

// Close closes the open studies. Later calls fail. Closing twice is harmless.
func (s *Service) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for _, st := range s.open {
		errs = append(errs, st.ledger.Close())
	}
	s.open = nil
	return errors.Join(errs...)
}

// Ids of trials have that of the study in front of the number.
const (
	numberBits = 31
	maxNumber  = 1<<numberBits - 1
)

// id returns the id of a study: a hash of its name, or the next that is free.
func (s *Service) id(name string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, ok := s.ids[name]; ok {
		return id
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	id := int64(h.Sum32() & maxNumber)
	for s.names[id] != "" || id == 0 {
		id = (id + 1) & maxNumber
	}
	s.names[id], s.ids[name] = name, id
	return id
}

// name returns the name of a study by its id. After a restart, the names of the store are
// learnt first.
func (s *Service) name(ctx context.Context, id int64) (string, error) {
	known := func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.names[id]
	}
	if name := known(); name != "" {
		return name, nil
	}
	for h, err := range s.store.Studies(ctx) {
		if err != nil {
			return "", err
		}
		s.id(h.Name)
	}
	if name := known(); name != "" {
		return name, nil
	}
	return "", fmt.Errorf("study %d %w", id, storage.ErrNotExist)
}

// study returns the study of an id, opened.
func (s *Service) study(ctx context.Context, id int64) (*study, error) {
	name, err := s.name(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.named(ctx, name)
}

// named returns the study of a name, opened.
func (s *Service) named(ctx context.Context, name string) (*study, error) {
	s.mu.Lock()
	st, closed := s.open[name], s.closed
	s.mu.Unlock()
	if st != nil {
		return st, nil
	}
	if closed {
		return nil, storage.ErrClosed
	}
	ledger, err := s.store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.keep(name, ledger)
}

// keep keeps an open study, unless another call did meanwhile.
func (s *Service) keep(name string, ledger storage.Ledger) (*study, error) {
	id := s.id(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.open[name]; st != nil || s.closed {
		err := ledger.Close()
		if s.closed {
			err = storage.ErrClosed
		}
		return st, err
	}
	st := &study{id: id, name: name, ledger: ledger}
	s.open[name] = st
	return st, nil
}

// forget closes a study that is gone.
func (s *Service) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.open[name]; st != nil {
		_ = st.ledger.Close()
		delete(s.open, name)
	}
}

// on calls f with the study of an id. A study that was deleted, and perhaps made again, is
// opened again.
func (s *Service) on(ctx context.Context, id int64, f func(*study) error) error {
	for again := false; ; again = true {
		st, err := s.study(ctx, id)
		if err == nil {
			err = f(st)
		}
		if err == nil {
			return nil
		}
		if errors.Is(err, storage.ErrNotExist) && st != nil && !again {
			s.forget(st.name)
			continue
		}
		return failure(err)
	}
}

// onTrial calls f with the study of a trial, and its number.
func (s *Service) onTrial(ctx context.Context, id int64, f func(st *study, number int) error) error {
	return s.on(ctx, id>>numberBits, func(st *study) error { return f(st, int(id&maxNumber)) })
}

// failure returns an error with the code that Optuna's client expects.
func failure(err error) error {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	code := codes.Internal
	switch {
	case is(storage.ErrNotExist, storage.ErrNoTrial):
		code = codes.NotFound
	case is(storage.ErrExist):
		code = codes.AlreadyExists
	case is(trial.ErrFinished):
		code = codes.FailedPrecondition
	case is(space.ErrOutside):
		code = codes.OutOfRange // of InvalidArgument the client makes a ValueError without a text
	case is(space.ErrMismatch, space.ErrInvalid, trial.ErrValues, trial.ErrReport, storage.ErrReserved, errArgument):
		code = codes.InvalidArgument
	case is(storage.ErrReadOnly, storage.ErrAccess):
		code = codes.PermissionDenied
	case is(storage.ErrBusy, storage.ErrClosed, storage.ErrUnreachable):
		code = codes.Unavailable
	case is(storage.ErrFull):
		code = codes.ResourceExhausted
	case is(context.Canceled):
		code = codes.Canceled
	case is(context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	}
	return status.Error(code, fault.Text(err, func(fault.Hint) string { return "" })) // without hints for programs in Go
}

// errArgument reports a message that means nothing.
var errArgument = errors.New("bad message")

// CreateNewStudy implements the call of that name.
func (s *Service) CreateNewStudy(ctx context.Context, in *api.CreateNewStudyRequest) (*api.CreateNewStudyReply, error) {
	h := trial.Header{Name: in.StudyName, Seed: rand.Uint64()}
	for _, d := range in.Directions {
		h.Directions = append(h.Directions, direction(d))
	}
	ledger, err := s.store.Create(ctx, h)
	if err != nil {
		return nil, failure(err)
	}
	s.forget(h.Name) // one that another process deleted
	if _, err := s.keep(h.Name, ledger); err != nil {
		return nil, failure(err)
	}
	return &api.CreateNewStudyReply{StudyId: s.id(h.Name)}, nil
}

// DeleteStudy implements the call of that name.
func (s *Service) DeleteStudy(ctx context.Context, in *api.DeleteStudyRequest) (*api.DeleteStudyReply, error) {
	name, err := s.name(ctx, in.StudyId)
	if err == nil {
		s.forget(name)
		err = s.store.Delete(ctx, name)
	}
	if err != nil {
		return nil, failure(err)
	}
	return &api.DeleteStudyReply{}, nil
}

// SetStudyUserAttribute implements the call of that name.
func (s *Service) SetStudyUserAttribute(ctx context.Context, in *api.SetStudyUserAttributeRequest) (*api.SetStudyUserAttributeReply, error) {
	return &api.SetStudyUserAttributeReply{}, s.on(ctx, in.StudyId, func(st *study) error {
		return st.ledger.Annotate(ctx, trial.Attrs{{Key: in.Key, JSON: in.Value}}, nil)
	})
}

// SetStudySystemAttribute implements the call of that name.
func (s *Service) SetStudySystemAttribute(ctx context.Context, in *api.SetStudySystemAttributeRequest) (*api.SetStudySystemAttributeReply, error) {
	return &api.SetStudySystemAttributeReply{}, s.on(ctx, in.StudyId, func(st *study) error {
		return st.ledger.Annotate(ctx, nil, trial.Attrs{{Key: in.Key, JSON: in.Value}})
	})
}

// GetStudyIdFromName implements the call of that name.
func (s *Service) GetStudyIdFromName(ctx context.Context, in *api.GetStudyIdFromNameRequest) (*api.GetStudyIdFromNameReply, error) {
	h, err := s.header(ctx, in.StudyName)
	if err != nil {
		return nil, failure(err)
	}
	return &api.GetStudyIdFromNameReply{StudyId: s.id(h.Name)}, nil
}

// header returns the study of a name as it is now.
func (s *Service) header(ctx context.Context, name string) (trial.Header, error) {
	for again := false; ; again = true {
		st, err := s.named(ctx, name)
		if err != nil {
			return trial.Header{}, err
		}
		h, err := st.ledger.Header(ctx)
		if errors.Is(err, storage.ErrNotExist) && !again {
			s.forget(name)
			continue
		}
		return h, err
	}
}

// GetStudyNameFromId implements the call of that name.
func (s *Service) GetStudyNameFromId(ctx context.Context, in *api.GetStudyNameFromIdRequest) (*api.GetStudyNameFromIdReply, error) {
	out := &api.GetStudyNameFromIdReply{}
	return out, s.head(ctx, in.StudyId, func(h trial.Header) { out.StudyName = h.Name })
}

// head calls f with the study of an id as it is now.
func (s *Service) head(ctx context.Context, id int64, f func(trial.Header)) error {
	return s.on(ctx, id, func(st *study) error {
		h, err := st.ledger.Header(ctx)
		if err == nil {
			f(h)
		}
		return err
	})
}

// GetStudyDirections implements the call of that name.
func (s *Service) GetStudyDirections(ctx context.Context, in *api.GetStudyDirectionsRequest) (*api.GetStudyDirectionsReply, error) {
	out := &api.GetStudyDirectionsReply{}
	return out, s.head(ctx, in.StudyId, func(h trial.Header) { out.Directions = directions(h) })
}

// GetStudyUserAttributes implements the call of that name.
func (s *Service) GetStudyUserAttributes(ctx context.Context, in *api.GetStudyUserAttributesRequest) (*api.GetStudyUserAttributesReply, error) {
	out := &api.GetStudyUserAttributesReply{}
	return out, s.head(ctx, in.StudyId, func(h trial.Header) { out.UserAttributes = attributes(h.Attrs) })
}

// GetStudySystemAttributes implements the call of that name.
func (s *Service) GetStudySystemAttributes(ctx context.Context, in *api.GetStudySystemAttributesRequest) (*api.GetStudySystemAttributesReply, error) {
	out := &api.GetStudySystemAttributesReply{}
	return out, s.head(ctx, in.StudyId, func(h trial.Header) { out.SystemAttributes = attributes(h.Notes) })
}

// GetAllStudies implements the call of that name.
func (s *Service) GetAllStudies(ctx context.Context, _ *api.GetAllStudiesRequest) (*api.GetAllStudiesReply, error) {
	out := &api.GetAllStudiesReply{}
	for h, err := range s.store.Studies(ctx) {
		if err != nil {
			return nil, failure(err)
		}
		out.Studies = append(out.Studies, &api.Study{
			StudyId: s.id(h.Name), StudyName: h.Name, Directions: directions(h),
			UserAttributes: attributes(h.Attrs), SystemAttributes: attributes(h.Notes),
		})
	}
	return out, nil
}

// CreateNewTrial implements the call of that name.
func (s *Service) CreateNewTrial(ctx context.Context, in *api.CreateNewTrialRequest) (*api.CreateNewTrialReply, error) {
	out := &api.CreateNewTrialReply{}
	return out, s.on(ctx, in.StudyId, func(st *study) (err error) {
		var n int
		if in.TemplateTrialIsNone || in.TemplateTrial == nil {
			n, err = st.start(ctx)
		} else {
			n, err = st.add(ctx, in.TemplateTrial)
		}
		out.TrialId = st.trialID(n)
		return err
	})
}

// SetTrialParameter implements the call of that name.
func (s *Service) SetTrialParameter(ctx context.Context, in *api.SetTrialParameterRequest) (*api.SetTrialParameterReply, error) {
	return &api.SetTrialParameterReply{}, s.onTrial(ctx, in.TrialId, func(st *study, n int) error {
		d, err := space.ParseDistribution(in.Distribution)
		if err != nil {
			return fmt.Errorf("parameter %q: %w", in.ParamName, err)
		}
		return st.suggest(ctx, n, space.Axis{Name: in.ParamName, Distribution: d}, in.ParamValueInternal)
	})
}

// GetTrialIdFromStudyIdTrialNumber implements the call of that name.
func (s *Service) GetTrialIdFromStudyIdTrialNumber(ctx context.Context, in *api.GetTrialIdFromStudyIdTrialNumberRequest) (*api.GetTrialIdFromStudyIdTrialNumberReply, error) {
	out := &api.GetTrialIdFromStudyIdTrialNumberReply{}
	return out, s.on(ctx, in.StudyId, func(st *study) error {
		if in.TrialNumber < 0 || in.TrialNumber > maxNumber {
			return fmt.Errorf("trial %d: %w", in.TrialNumber, storage.ErrNoTrial)
		}
		r, err := st.trial(ctx, int(in.TrialNumber))
		out.TrialId = st.trialID(r.Number)
		return err
	})
}

// SetTrialStateValues implements the call of that name.
func (s *Service) SetTrialStateValues(ctx context.Context, in *api.SetTrialStateValuesRequest) (*api.SetTrialStateValuesReply, error) {
	out := &api.SetTrialStateValuesReply{}
	return out, s.onTrial(ctx, in.TrialId, func(st *study, n int) (err error) {
		switch in.State {
		case api.TrialState_RUNNING:
			out.TrialUpdated, err = st.claim(ctx, n)
			return err
		case api.TrialState_WAITING:
			return fmt.Errorf("%w: trial %d cannot wait again: enqueue another one", errArgument, n)
		}
		values := in.Values
		if in.State == api.TrialState_FAIL {
			values = nil
		}
		err = st.write(ctx, n, trial.Finished{State: state(in.State), Values: values, At: now()})
		out.TrialUpdated = err == nil
		return err
	})
}

// SetTrialIntermediateValue implements the call of that name. A step that has a value keeps it, as in Optuna.
func (s *Service) SetTrialIntermediateValue(ctx context.Context, in *api.SetTrialIntermediateValueRequest) (*api.SetTrialIntermediateValueReply, error) {
	return &api.SetTrialIntermediateValueReply{}, s.onTrial(ctx, in.TrialId, func(st *study, n int) error {
		err := st.write(ctx, n, trial.Reported{Step: int(in.Step), Value: in.IntermediateValue})
		if errors.Is(err, trial.ErrReport) && in.Step >= 0 {
			return nil
		}
		return err
	})
}

// SetTrialUserAttribute implements the call of that name.
func (s *Service) SetTrialUserAttribute(ctx context.Context, in *api.SetTrialUserAttributeRequest) (*api.SetTrialUserAttributeReply, error) {
	return &api.SetTrialUserAttributeReply{}, s.onTrial(ctx, in.TrialId, func(st *study, n int) error {
		return st.write(ctx, n, trial.Annotated{Key: in.Key, JSON: in.Value})
	})
}

// SetTrialSystemAttribute implements the call of that name.
func (s *Service) SetTrialSystemAttribute(ctx context.Context, in *api.SetTrialSystemAttributeRequest) (*api.SetTrialSystemAttributeReply, error) {
	return &api.SetTrialSystemAttributeReply{}, s.onTrial(ctx, in.TrialId, func(st *study, n int) error {
		return st.note(ctx, n, in.Key, in.Value)
	})
}

// GetTrial implements the call of that name.
func (s *Service) GetTrial(ctx context.Context, in *api.GetTrialRequest) (*api.GetTrialReply, error) {
	out := &api.GetTrialReply{}
	return out, s.onTrial(ctx, in.TrialId, func(st *study, n int) error {
		r, err := st.trial(ctx, n)
		if err == nil {
			out.Trial = st.message(r)
		}
		return err
	})
}

// GetTrials implements the call of that name. It returns the trials with the given ids, and those with ids greater
// than a given one.
func (s *Service) GetTrials(ctx context.Context, in *api.GetTrialsRequest) (*api.GetTrialsReply, error) {
	out := &api.GetTrialsReply{}
	return out, s.on(ctx, in.StudyId, func(st *study) error {
		after := -1 // the number
		if id := in.TrialIdGreaterThan; id >= st.trialID(0) {
			after = int(min(id-st.trialID(0), maxNumber))
		}
		var included []int
		for _, id := range in.IncludedTrialIds {
			if n := id - st.trialID(0); n >= 0 && n <= int64(after) {
				included = append(included, int(n))
			}
		}
		rs, err := st.some(ctx, included, after)
		out.Trials = make([]*api.Trial, len(rs))
		for i, r := range rs {
			out.Trials[i] = st.message(r)
		}
		return err
	})
}

var now = time.Now
