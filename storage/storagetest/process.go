package storagetest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// workerEnv holds the address of a store, in a process that is to work on it.
const workerEnv = "ATTUNE_STORAGETEST_WORKER"

// Main runs the tests of a package, as TestMain must. In the worker processes that the suite starts, it works on a
// store instead and runs no test.
func Main(m *testing.M, c Config) {
	address, isWorker := os.LookupEnv(workerEnv)
	if !isWorker {
		os.Exit(m.Run())
	}
	say(event{Kind: hello})
	if err := work(context.Background(), c.Dial(address)); err != nil {
		say(event{Kind: failed, Error: err.Error()})
		os.Exit(1)
	}
	os.Exit(0)
}

// An event is what a worker says, a line each, after it has happened.
type event struct {
	Kind   string
	Number int    `json:",omitempty"`
	Error  string `json:",omitempty"`
}

const (
	hello    = "hello"
	claimed  = "claimed"
	finished = "finished"
	failed   = "failed"
)

func say(e event) {
	line, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line)) // one write, so that a kill cuts no line
}

const (
	processStudy  = "processes"
	processTrials = 150
)

// work is the life of a worker: trials, until the study has enough of them. Every
// few it closes the store and opens it again, as workers that come and go do.
func work(ctx context.Context, st storage.Store) error {
	for {
		l, err := st.Open(ctx, processStudy)
		if err != nil {
			return err
		}
		for range 10 {
			r, err := l.Start(ctx, time.Now(), "")
			if err != nil {
				return err
			}
			say(event{Kind: claimed, Number: r.Number})
			if err := workOn(ctx, l, r.Number); err != nil {
				return err
			}
			say(event{Kind: finished, Number: r.Number})
			rs, err := records(ctx, l)
			if err != nil {
				return err
			}
			if len(rs) >= processTrials {
				return l.Close()
			}
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
}

func workOn(ctx context.Context, l storage.Ledger, number int) error {
	for _, changes := range [][]trial.Change{
		{trial.Proposed{{Name: "lr", Value: "0.5"}}},
		{trial.Suggested(params), trial.Reported{Step: 0, Value: float64(number)}},
		{trial.Reported{Step: 1, Value: float64(number)}},
		{trial.Annotated{Key: "pid", JSON: fmt.Sprint(os.Getpid())}, complete(float64(number))},
	} {
		if err := l.Write(ctx, number, changes...); err != nil {
			return err
		}
	}
	return nil
}

// processes has many processes work on one study, some of which are killed in
// the middle of what they do, and counts.
func (s suite) processes(t *testing.T) {
	const workers, waiting = 6, 20
	if s.Address == nil || s.Dial == nil {
		t.Skip("the store has no address")
	}
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: processStudy})
	for i := range waiting {
		_, err := l.Add(t.Context(), trial.Record{State: trial.Waiting, Fixed: []space.Setting{{Name: "x", Value: space.Lit(i)}}})
		require.NoError(t, err)
	}
	exe, err := os.Executable()
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var mu sync.Mutex
	claims, ends := map[int]int{}, map[int]bool{}
	killed := 0
	var wg sync.WaitGroup
	for w := range workers {
		program := exe
		if s.Worker != "" && w/2%2 == 1 {
			program = s.Worker
		}
		cmd := exec.CommandContext(ctx, program, "-test.run=^$")
		cmd.Env = append(os.Environ(), workerEnv+"="+s.Address(st))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lives := -1 // events until it is killed
		if w%2 == 1 {
			lives = 3 + rand.IntN(20)
		}
		wg.Go(func() {
			greeted := false
			for lines := bufio.NewScanner(out); lines.Scan(); {
				var e event
				if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
					assert.NoError(t, err, "a worker said %q: does TestMain call storagetest.Main?", lines.Text())
					break
				}
				mu.Lock()
				switch e.Kind {
				case hello:
					greeted = true
				case claimed:
					claims[e.Number]++
				case finished:
					ends[e.Number] = true
				case failed:
					assert.Fail(t, "a worker failed", e.Error)
				}
				mu.Unlock()
				if lives--; lives == 0 {
					assert.NoError(t, cmd.Process.Kill())
				}
			}
			err := cmd.Wait()
			mu.Lock()
			defer mu.Unlock()
			assert.True(t, greeted, "the worker did not start: does TestMain call storagetest.Main?")
			if lives <= 0 && w%2 == 1 {
				killed++
			} else {
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}

	for n, times := range claims {
		assert.Equal(t, 1, times, "trial %d was given away so often", n)
	}
	for _, l := range []storage.Ledger{l, open(t, s.again(t, st), processStudy)} {
		rs := all(t, l)
		assert.GreaterOrEqual(t, len(rs), processTrials)
		orphans, fixed := 0, map[space.Literal]bool{}
		for n, r := range rs {
			require.Equal(t, n, r.Number, "no number is missing")
			for _, f := range r.Fixed {
				assert.False(t, fixed[f.Value], "enqueued trials come once")
				fixed[f.Value] = true
			}
			switch r.State {
			case trial.Running:
				orphans++
				assert.False(t, ends[n], "trial %d had finished", n)
			case trial.Complete:
				assert.Equal(t, []float64{float64(n)}, r.Values)
				assert.Len(t, r.Reports, 2)
				assert.Len(t, r.Params.Point, 5)
			default:
				assert.Fail(t, "odd state", Text(r))
			}
		}
		assert.Len(t, fixed, waiting)
		assert.LessOrEqual(t, orphans, killed)
	}
	// Life goes on.
	assert.Equal(t, len(all(t, l)), start(t, l).Number)
}
