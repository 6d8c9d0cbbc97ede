package study_test

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/grid"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A whole study: a parameter, an objective, a run and its best trial. For real work, use a file (package
// storage/sqlite) instead of memory, and a sampler that learns (package sampler/tpe).
func Example() {
	ctx := context.Background()
	rate := space.Float("rate", 1e-4, 1, space.Log())
	depth := space.Int("depth", 1, 8)

	st, err := study.Open(ctx, new(memory.Store), "quick start", study.Config{Sampler: random.Sampler{}, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()

	loss := func(_ context.Context, t *study.Trial) (float64, error) {
		return math.Pow(math.Log10(rate.Suggest(t))+2, 2) + math.Abs(float64(depth.Suggest(t)-5)), nil
	}
	if err := st.Optimize(ctx, study.Func(loss), study.Run{Trials: 200}); err != nil {
		fmt.Println(err)
		return
	}
	best, err := st.Best(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, _ := rate.Value(best)
	d, _ := depth.Value(best)
	fmt.Printf("rate %.4f, depth %d\n", r, d)
	// Output: rate 0.0046, depth 5
}

// Open continues a study that the store has. It may be called again, here or in another process.
func ExampleOpen() {
	ctx := context.Background()
	store, cfg := new(memory.Store), study.Config{Sampler: random.Sampler{}}
	x := space.Float("x", -1, 1)
	square := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		return x.Suggest(t) * x.Suggest(t), nil
	})
	for range 2 {
		st, err := study.Open(ctx, store, "square", cfg)
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := st.Optimize(ctx, square, study.Run{Trials: 10}); err != nil {
			fmt.Println(err)
		}
		h, err := st.Snapshot(ctx)
		if err != nil {
			fmt.Println(err)
		}
		fmt.Println(h.Count(trial.Complete), "trials")
		st.Close()
	}
	// Output:
	// 10 trials
	// 20 trials
}

// Create is for a study that must be new.
func ExampleCreate() {
	ctx, store := context.Background(), new(memory.Store)
	cfg := study.Config{Sampler: random.Sampler{}, Directions: []trial.Direction{trial.Maximize}, Metrics: []string{"accuracy"}}
	st, err := study.Create(ctx, store, "mnist", cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	fmt.Println(st.Name(), st.Directions(), st.Metrics())

	_, err = study.Create(ctx, store, "mnist", cfg)
	fmt.Println("taken:", errors.Is(err, storage.ErrExist))
	// Output:
	// mnist [maximize] [accuracy]
	// taken: true
}

// Load is for a study that must exist, for example to report its results. The settings that were fixed when it was
// created need not be repeated.
func ExampleLoad() {
	ctx, store := context.Background(), new(memory.Store)
	cfg := study.Config{Sampler: random.Sampler{}}
	_, err := study.Load(ctx, store, "mnist", cfg)
	fmt.Println("missing:", errors.Is(err, storage.ErrNotExist))

	made, err := study.Create(ctx, store, "mnist", study.Config{Sampler: random.Sampler{}, Seed: 7, Directions: []trial.Direction{trial.Maximize}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer made.Close()
	st, err := study.Load(ctx, store, "mnist", cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	fmt.Println(st.Seed(), st.Directions())
	// Output:
	// missing: true
	// 7 [maximize]
}

// A program with a loop of its own asks for trials and tells their outcomes.
func ExampleStudy_Ask() {
	ctx := context.Background()
	batch, act := space.Int("batch", 32, 64, space.Step(32)), space.Categorical("act", "relu", "tanh")
	st, err := study.Open(ctx, new(memory.Store), "loop", study.Config{
		Sampler: grid.New(grid.Config{Values: grid.All(batch, act), InOrder: true}),
		Space:   space.Of(batch, act),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	for {
		t, err := st.Ask(ctx)
		if errors.Is(err, sampler.ErrExhausted) {
			break
		} else if err != nil {
			fmt.Println(err)
			return
		}
		value, failed := float64(batch.Suggest(t)), error(nil)
		if act.Suggest(t) == "tanh" {
			failed = errors.New("out of memory")
		}
		if err := st.Tell(ctx, t, []float64{value}, failed); err != nil {
			fmt.Println(err)
			return
		}
	}
	h, err := st.Snapshot(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range h.Records() {
		fmt.Println(r.Number, r.Params.Settings(), r.State, r.Values)
	}
	// Output:
	// 0 [{batch 32} {act relu}] complete [32]
	// 1 [{batch 64} {act relu}] complete [64]
	// 2 [{batch 32} {act tanh}] failed []
	// 3 [{batch 64} {act tanh}] failed []
}

// What is known to be good is tried first.
func ExampleStudy_Enqueue() {
	ctx := context.Background()
	x, y := space.Float("x", 0, 1), space.Float("y", 0, 1)
	st, err := study.Open(ctx, new(memory.Store), "sum", study.Config{Sampler: random.Sampler{}, Space: space.Of(x, y)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	if _, err := st.Enqueue(ctx, x.At(0.25), y.At(0.5)); err != nil {
		fmt.Println(err)
		return
	}
	t, err := st.Ask(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(x.Suggest(t), y.Suggest(t))

	_, err = st.Enqueue(ctx, x.At(2))
	fmt.Println("outside:", errors.Is(err, space.ErrOutside))
	// Output:
	// 0.25 0.5
	// outside: true
}

// An observer switches over the events that it is interested in.
func ExampleObserver() {
	ctx := context.Background()
	lines := study.ObserverFunc(func(_ context.Context, e study.Event) {
		switch e := e.(type) {
		case study.Asked:
			fmt.Println("trial", e.Trial.Number, "begins")
		case study.Told:
			best, _ := e.Study.Best()
			fmt.Println("trial", e.Trial.Number, "is", e.Trial.State, "and the best so far is", best.Values)
		case study.Ended:
			fmt.Println("the run ended:", e.Err)
		}
	})
	st, err := study.Open(ctx, new(memory.Store), "watched", study.Config{Sampler: random.Sampler{}, Observer: lines})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	half := study.Func(func(_ context.Context, t *study.Trial) (float64, error) { return 1 / float64(1+t.Number()), nil })
	if err := st.Optimize(ctx, half, study.Run{Trials: 2}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// trial 0 begins
	// trial 0 is complete and the best so far is [1]
	// trial 1 begins
	// trial 1 is complete and the best so far is [0.5]
	// the run ended: <nil>
}

// Two observers watch one study: one writes each trial, the other counts those
// that fail. Trials that are asked for and told by hand are observed, too.
func ExampleTee() {
	ctx := context.Background()
	failed := 0
	lines := study.On(func(_ context.Context, e study.Told) { fmt.Println("trial", e.Trial.Number, e.Trial.State) })
	count := study.On(func(_ context.Context, e study.Told) {
		if e.Trial.State == trial.Failed {
			failed++
		}
	})
	st, err := study.Open(ctx, new(memory.Store), "watched", study.Config{Sampler: random.Sampler{}, Observer: study.Tee(lines, count)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	for i := range 3 {
		t, err := st.Ask(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		if i%2 == 1 {
			err = errors.New("odd")
		}
		if err := st.Tell(ctx, t, []float64{1}, err); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(failed, "failed")
	// Output:
	// trial 0 complete
	// trial 1 failed
	// trial 2 complete
	// 1 failed
}

// Any process can open a study for reading, without a sampler.
func ExampleRead() {
	ctx := context.Background()
	store := tuned(ctx)

	v, err := study.Read(ctx, store, "tuned")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()
	h, err := v.Snapshot(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	best, _ := h.Best()
	fmt.Println(h.Len(), "trials, the best is trial", best.Number)
	// Output: 3 trials, the best is trial 2
}

// A watcher calls Watch before it takes a snapshot, so that it misses nothing in
// between.
func ExampleView_Watch() {
	ctx := context.Background()
	store := tuned(ctx)
	v, err := study.Read(ctx, store, "tuned")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()

	changes := v.Watch(ctx)
	h, err := v.Snapshot(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(h.Len(), "trials so far")
	go work(ctx, store, 2) // here or in another process
	for r, err := range changes {
		if err != nil {
			fmt.Println(err)
			return
		}
		if r.State.Done() {
			fmt.Println("trial", r.Number, "is", r.State)
		}
		if r.Number == 4 && r.State.Done() {
			return // ends the iteration, as the end of ctx does
		}
	}
	// Output:
	// 3 trials so far
	// trial 3 is complete
	// trial 4 is complete
}

// tuned returns a store that has a study of three trials.
func tuned(ctx context.Context) storage.Store {
	store := new(memory.Store)
	work(ctx, store, 3)
	return store
}

// work evaluates trials of the study "tuned".
func work(ctx context.Context, store storage.Store, trials int) {
	st, err := study.Open(ctx, store, "tuned", study.Config{Sampler: random.Sampler{}})
	if err != nil {
		panic(err)
	}
	defer st.Close()
	objective := study.Func(func(_ context.Context, t *study.Trial) (float64, error) { return -float64(t.Number()), nil })
	if err := st.Optimize(ctx, objective, study.Run{Trials: trials}); err != nil {
		panic(err)
	}
}

// A client of a server asks again if it got no answer, and must not get a second trial.
func ExampleStudy_AskOnce() {
	ctx := context.Background()
	st, err := study.Open(ctx, new(memory.Store), "served", study.Config{
		Sampler: random.Sampler{},
		Space:   space.Of(space.Float("x", 0, 1)),
		Renewal: study.ByCaller, // the server calls Renew when it hears of a client
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	for _, key := range []string{"client 1, job 1", "client 2, job 1", "client 1, job 1"} {
		t, err := st.AskOnce(ctx, key)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(key, "is trial", t.Number())
	}
	// Output:
	// client 1, job 1 is trial 0
	// client 2, job 1 is trial 1
	// client 1, job 1 is trial 0
}

// A server asks, reports and tells for its clients. It calls this from time to time, say four times in every Grace.
func ExampleStudy_Reap() {
	ctx := context.Background()
	st, err := study.Open(ctx, new(memory.Store), "served", study.Config{Sampler: random.Sampler{}, Renewal: study.ByCaller})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	t, err := st.Ask(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}

	heard := []int{t.Number()} // the trials whose clients were heard of
	if err := st.Renew(ctx, heard...); err != nil {
		fmt.Println(err)
		return
	}
	dead, err := st.Reap(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(dead), "clients have died")
	// Output: 0 clients have died
}

// A keeper is an objective that keeps the model of the best trial.
type keeper struct {
	models map[int]string // of trials that have not finished
	best   string
}

func (k *keeper) Evaluate(_ context.Context, t *study.Trial) ([]float64, error) {
	k.models[t.Number()] = fmt.Sprint("model ", t.Number())
	return []float64{float64((t.Number() - 2) * (t.Number() - 2))}, nil
}

// Finished implements [study.Finisher].
func (k *keeper) Finished(_ context.Context, r trial.Record, h trial.Snapshot) error {
	if best, ok := h.Best(); ok && best.Number == r.Number {
		k.best = k.models[r.Number]
	}
	delete(k.models, r.Number)
	return nil
}

// An objective that keeps something of its best trial is told when each trial has finished.
func ExampleFinisher() {
	ctx := context.Background()
	st, err := study.Open(ctx, new(memory.Store), "kept", study.Config{Sampler: random.Sampler{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	k := &keeper{models: map[int]string{}}
	if err := st.Optimize(ctx, k, study.Run{Trials: 5}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(k.best)
	// Output: model 2
}
