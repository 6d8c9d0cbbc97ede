package optunarpc_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/dev/servertest"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/mysql"
	"github.com/attune-hpo/attune/storage/optunarpc"
	"github.com/attune-hpo/attune/storage/optunarpc/internal/api"
	"github.com/attune-hpo/attune/storage/postgres"
	"github.com/attune-hpo/attune/trial"
)

// A store that fails in everything.
type failing struct {
	storage.Store
	err error
}

func (f failing) Create(context.Context, trial.Header) (storage.Ledger, error) { return nil, f.err }
func (f failing) Open(context.Context, string) (storage.Ledger, error)         { return nil, f.err }
func (f failing) Studies(context.Context) iter.Seq2[trial.Header, error] {
	return func(yield func(trial.Header, error) bool) { yield(trial.Header{}, f.err) }
}

// Each error of the storage has its status code, and no hints for programs in Go.
func TestFailures(t *testing.T) {
	for err, code := range map[error]codes.Code{
		storage.ErrNotExist:      codes.NotFound,
		storage.ErrExist:         codes.AlreadyExists,
		storage.ErrReadOnly:      codes.PermissionDenied,
		storage.ErrAccess:        codes.PermissionDenied,
		storage.ErrBusy:          codes.Unavailable,
		storage.ErrUnreachable:   codes.Unavailable,
		storage.ErrFull:          codes.ResourceExhausted,
		storage.ErrFormat:        codes.Internal,
		storage.ErrVersion:       codes.Internal,
		context.DeadlineExceeded: codes.DeadlineExceeded,
	} {
		s := optunarpc.New(failing{err: fmt.Errorf("postgres: create study: %w: %w", err, fault.Hint{Field: "postgres.Store.URL", Want: "another"})})
		_, created := s.CreateNewStudy(t.Context(), &api.CreateNewStudyRequest{StudyName: "a"})
		_, opened := s.GetStudyIdFromName(t.Context(), &api.GetStudyIdFromNameRequest{StudyName: "a"})
		_, listed := s.GetAllStudies(t.Context(), &api.GetAllStudiesRequest{})
		for _, got := range []error{created, opened, listed} {
			assert.Equal(t, code, status.Code(got), "%v", err)
			assert.ErrorContains(t, got, err.Error())
			assert.NotContains(t, got.Error(), "postgres.Store")
		}
		require.NoError(t, s.Close())
	}
}

// Meaningless calls are refused with the right status code, and change nothing.
func TestBadCalls(t *testing.T) {
	ctx := t.Context()
	s := optunarpc.New(new(memory.Store))
	defer s.Close()
	st, err := s.CreateNewStudy(ctx, &api.CreateNewStudyRequest{StudyName: "a", Directions: []api.StudyDirection{api.StudyDirection_MINIMIZE}})
	require.NoError(t, err)
	begun, err := s.CreateNewTrial(ctx, &api.CreateNewTrialRequest{StudyId: st.StudyId, TemplateTrialIsNone: true})
	require.NoError(t, err)
	before, err := s.GetTrial(ctx, &api.GetTrialRequest{TrialId: begun.TrialId})
	require.NoError(t, err)
	param := func(distribution string, value float64) func() error {
		return func() error {
			_, err := s.SetTrialParameter(ctx, &api.SetTrialParameterRequest{TrialId: begun.TrialId, ParamName: "x", Distribution: distribution, ParamValueInternal: value})
			return err
		}
	}
	const float = `{"name": "FloatDistribution", "attributes": {"low": 0, "high": 1, "log": false, "step": null}}`
	for name, c := range map[string]struct {
		call func() error
		code codes.Code
	}{
		"no distribution":            {param("", 0), codes.InvalidArgument},
		"half a distribution":        {param(float[:40], 0), codes.InvalidArgument},
		"deep lists":                 {param(strings.Repeat("[", 1_000_000), 0), codes.InvalidArgument},
		"deep choices":               {param(`{"name": "CategoricalDistribution", "attributes": {"choices": `+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`}}`, 0), codes.InvalidArgument},
		"text where a number is":     {param(strings.Replace(float, "0", `"zero"`, 1), 0), codes.InvalidArgument},
		"an unknown distribution":    {param(strings.Replace(float, "Float", "Odd", 1), 0), codes.InvalidArgument},
		"bounds in the wrong order":  {param(strings.Replace(float, `"high": 1`, `"high": -1`, 1), 0), codes.InvalidArgument},
		"a value outside its bounds": {param(float, 2), codes.OutOfRange},
		"no such study": {func() error {
			_, err := s.CreateNewTrial(ctx, &api.CreateNewTrialRequest{StudyId: 12345, TemplateTrialIsNone: true})
			return err
		}, codes.NotFound},
		"no such trial": {func() error {
			_, err := s.GetTrial(ctx, &api.GetTrialRequest{TrialId: begun.TrialId + 1})
			return err
		}, codes.NotFound},
		"a negative trial": {func() error {
			_, err := s.GetTrial(ctx, &api.GetTrialRequest{TrialId: -1})
			return err
		}, codes.NotFound},
		"an attribute that is not JSON": {func() error {
			_, err := s.SetTrialUserAttribute(ctx, &api.SetTrialUserAttributeRequest{TrialId: begun.TrialId, Key: "k", Value: "{"})
			return err
		}, codes.InvalidArgument},
		"a negative step": {func() error {
			_, err := s.SetTrialIntermediateValue(ctx, &api.SetTrialIntermediateValueRequest{TrialId: begun.TrialId, Step: -1, IntermediateValue: 1})
			return err
		}, codes.InvalidArgument},
		"two values": {func() error {
			_, err := s.SetTrialStateValues(ctx, &api.SetTrialStateValuesRequest{TrialId: begun.TrialId, State: api.TrialState_COMPLETE, Values: []float64{1, 2}})
			return err
		}, codes.InvalidArgument},
		"a state that is none": {func() error {
			_, err := s.SetTrialStateValues(ctx, &api.SetTrialStateValuesRequest{TrialId: begun.TrialId, State: 77})
			return err
		}, codes.InvalidArgument},
	} {
		err := c.call()
		assert.Equal(t, c.code, status.Code(err), "%s: %.200v", name, err)
	}
	after, err := s.GetTrial(ctx, &api.GetTrialRequest{TrialId: begun.TrialId})
	require.NoError(t, err)
	assert.Equal(t, before.String(), after.String())
}

// A name that is too long for a database is refused.
func TestLongNames(t *testing.T) {
	for name, store := range map[string]func(t *testing.T) storage.Store{
		"PostgreSQL": func(t *testing.T) storage.Store { return postgres.Database(servertest.PostgresReused(t)) },
		"MariaDB":    func(t *testing.T) storage.Store { return mysql.Database(servertest.MySQLReused(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := optunarpc.New(store(t))
			defer s.Close()
			_, err := s.CreateNewStudy(t.Context(), &api.CreateNewStudyRequest{StudyName: strings.Repeat("n", 10_000)})
			assert.Equal(t, codes.InvalidArgument, status.Code(err))
			assert.ErrorContains(t, err, "has 10000 characters: the database holds at most")
			_, err = s.GetStudyIdFromName(t.Context(), &api.GetStudyIdFromNameRequest{StudyName: strings.Repeat("n", 10_000)})
			assert.Equal(t, codes.NotFound, status.Code(err))
			all, err := s.GetAllStudies(t.Context(), &api.GetAllStudiesRequest{})
			require.NoError(t, err)
			assert.Empty(t, all.Studies)
		})
	}
}

// counting is a store whose ledgers count how often they are read.
type counting struct {
	memory.Store
	reads int
}

func (c *counting) Create(ctx context.Context, h trial.Header) (storage.Ledger, error) {
	l, err := c.Store.Create(ctx, h)
	return &counted{l, c}, err
}

type counted struct {
	storage.Ledger
	store *counting
}

func (c *counted) Since(ctx context.Context, after storage.Cursor) iter.Seq2[storage.Update, error] {
	c.store.reads++
	return c.Ledger.Since(ctx, after)
}

// A parameter that the study already has is written without reading anything.
func TestKnownParametersAreNotLookedUp(t *testing.T) {
	store := &counting{}
	s := optunarpc.New(store)
	defer s.Close()
	st, err := s.CreateNewStudy(t.Context(), &api.CreateNewStudyRequest{StudyName: "a", Directions: []api.StudyDirection{api.StudyDirection_MINIMIZE}})
	require.NoError(t, err)
	for range 3 {
		begun, err := s.CreateNewTrial(t.Context(), &api.CreateNewTrialRequest{StudyId: st.StudyId, TemplateTrialIsNone: true})
		require.NoError(t, err)
		store.reads = 0
		for high := range 5 {
			_, err := s.SetTrialParameter(t.Context(), &api.SetTrialParameterRequest{TrialId: begun.TrialId, ParamName: fmt.Sprint(high),
				Distribution: `{"name": "FloatDistribution", "attributes": {"low": 0, "high": 1, "log": false, "step": null}}`, ParamValueInternal: 0.5})
			require.NoError(t, err)
		}
		_, err = s.GetTrials(t.Context(), &api.GetTrialsRequest{StudyId: st.StudyId, IncludedTrialIds: []int64{begun.TrialId}})
		require.NoError(t, err)
	}
	assert.Equal(t, 1, store.reads, "for GetTrials")
}
