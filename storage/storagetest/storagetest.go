// Package storagetest tests that a back end keeps the contract of package storage. Run it from the back end's own
// tests:
//
//	var config = storagetest.Config{
//		Open:    func(t *testing.T) storage.Store { return mystore.New(t.TempDir()) },
//		Address: func(s storage.Store) string { return s.(*mystore.Store).Dir },
//		Dial:    func(address string) storage.Store { return mystore.New(address) },
//	}
//
//	func TestMain(m *testing.M)   { storagetest.Main(m, config) }
//	func TestStore(t *testing.T)  { storagetest.Run(t, config) }
//
// Run it under the race detector too. The optional interfaces [storage.Leaser], [storage.Summarizer] and
// [storage.Rower] are tested if the back end implements them. [storage.Read] and [storage.Wait] are tested for every
// back end, with its own methods if it has them. A back end with an Address is also tested with several handles, and
// with several processes, some of them killed.
package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// Config says how to make stores.
type Config struct {
	// Open returns a new, empty store, which is removed when t ends.
	Open func(t *testing.T) storage.Store
	// Address returns the address of a store that Open returned, at which Dial finds its studies again. Both are nil
	// for stores that live in one process.
	Address func(s storage.Store) string
	// Dial returns another handle of the store at an address. It is called in other
	// processes too, if [Main] is called.
	Dial func(address string) storage.Store
	// Keeps reports whether the store accepts a name of a study, parameter or attribute. The store must refuse other
	// names with [space.ErrInvalid]. Default: it accepts all names.
	Keeps func(name string) bool
	// Worker, if it is not "", is another test program whose TestMain calls [Main], for example from another build.
	// Every second worker process runs it. Default: all run this program.
	Worker string
}

// Run runs the suite.
func Run(t *testing.T, c Config) {
	s := suite{c}
	for _, test := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"Create", s.create},
		{"NotExist", s.notExist},
		{"Studies", s.studies},
		{"Rename", s.rename},
		{"Delete", s.delete},
		{"StudyAttributes", s.studyAttributes},
		{"StudyNames", s.studyNames},
		{"Close", s.close},
		{"Cancelled", s.cancelled},
		{"Add", s.add},
		{"AddAllOrNone", s.addAllOrNone},
		{"AddOwnsItsRecords", s.addOwns},
		{"AddImported", s.addImported},
		{"Normalizes", s.normalizes},
		{"Values", s.values},
		{"Names", s.names},
		{"Start", s.start},
		{"StartOnce", s.startOnce},
		{"Write", s.write},
		{"WriteAllOrNone", s.writeAllOrNone},
		{"WriteErrors", s.writeErrors},
		{"WriteOwnsItsChanges", s.writeOwns},
		{"RecordsNeverChange", s.recordsNeverChange},
		{"Since", s.since},
		{"SinceMissesNothing", s.sinceMissesNothing},
		{"Keys", s.keys},
		{"Wait", s.wait},
		{"Read", s.read},
		{"Summaries", s.summaries},
		{"Rows", s.rows},
		{"Leases", s.leases},
		{"ReapSparesTheHeld", s.reapSparesTheHeld},
		{"ReapOnce", s.reapOnce},
		{"Handles", s.handles},
		{"Processes", s.processes},
	} {
		t.Run(test.name, test.run)
	}
}

type suite struct{ Config }

// again returns another handle of st, or skips the test.
func (s suite) again(t *testing.T, st storage.Store) storage.Store {
	t.Helper()
	if s.Address == nil {
		t.Skip("the store has no address")
	}
	return s.Dial(s.Address(st))
}

// ledger returns the ledger of a new study.
func (s suite) ledger(t *testing.T, directions ...trial.Direction) storage.Ledger {
	t.Helper()
	return create(t, s.Open(t), trial.Header{Name: "study", Directions: directions})
}

func create(t *testing.T, st storage.Store, header trial.Header) storage.Ledger {
	t.Helper()
	l, err := st.Create(t.Context(), header)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	return l
}

func open(t *testing.T, st storage.Store, name string) storage.Ledger {
	t.Helper()
	l, err := st.Open(t.Context(), name)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	return l
}

// at returns the n-th of a series of moments, to the microsecond.
func at(n int) time.Time {
	return time.Date(2026, 11, 21, 1, 36, 53, 98146000, time.UTC).Add(time.Duration(n) * 1500 * time.Millisecond)
}

func start(t *testing.T, l storage.Ledger) trial.Record {
	t.Helper()
	r, err := l.Start(t.Context(), at(0), "")
	require.NoError(t, err)
	return r
}

func write(t *testing.T, l storage.Ledger, number int, changes ...trial.Change) {
	t.Helper()
	require.NoError(t, l.Write(t.Context(), number, changes...))
}

// complete is the end of a trial.
func complete(values ...float64) trial.Change {
	return trial.Finished{State: trial.Complete, Values: values, At: at(1)}
}

// all returns the trials of a ledger as they are now, by number.
func all(t *testing.T, l storage.Ledger) []trial.Record {
	t.Helper()
	rs, err := records(t.Context(), l)
	require.NoError(t, err)
	return rs
}

func records(ctx context.Context, l storage.Ledger) ([]trial.Record, error) {
	var out []trial.Record
	for u, err := range l.Since(ctx, 0) {
		if err != nil {
			return nil, err
		}
		for len(out) <= u.Trial.Number {
			out = append(out, trial.Record{Number: -1})
		}
		out[u.Trial.Number] = u.Trial
	}
	return out, nil
}
