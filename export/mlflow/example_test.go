package mlflow_test

import (
	"context"
	"fmt"

	"github.com/attune-hpo/attune/export/mlflow"
	"github.com/attune-hpo/attune/internal/dev/fakemlflow"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

func Example() {
	ctx := context.Background()
	here := fakemlflow.New() // a stand-in for mlflow server
	defer here.Close()
	server, err := mlflow.NewClient(here.URL)
	if err != nil {
		panic(err)
	}
	tracker := mlflow.NewTracker(mlflow.Config{Client: server, Experiment: "prices"})
	st, err := study.Open(ctx, new(memory.Store), "net", study.Config{Sampler: random.Sampler{}, Observer: tracker})
	if err != nil {
		panic(err)
	}
	defer st.Close()
	x := space.Float("x", 0, 1)
	err = st.Optimize(ctx, study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		return x.Suggest(t), nil
	}), study.Run{Trials: 10})
	if err != nil {
		panic(err)
	}
	if err := tracker.Close(ctx); err != nil { // sends what is left
		fmt.Println(err)
	}
	fmt.Println(len(here.Of("trial")), "runs")
	// Output:
	// 10 runs
}

// An existing study is pushed; a second push sends only new trials.
func ExampleNewMirror() {
	ctx := context.Background()
	here := fakemlflow.New()
	defer here.Close()
	st, err := study.Open(ctx, new(memory.Store), "net", study.Config{Sampler: random.Sampler{}})
	if err != nil {
		panic(err)
	}
	defer st.Close()
	x := space.Float("x", 0, 1)
	objective := study.Func(func(_ context.Context, t *study.Trial) (float64, error) { return x.Suggest(t), nil })

	server := &mlflow.Client{URL: here.URL}
	m, err := mlflow.NewMirror(ctx, mlflow.Config{Client: server}, st.Header())
	if err != nil {
		panic(err)
	}
	for _, trials := range []int{10, 5} {
		if err := st.Optimize(ctx, objective, study.Run{Trials: trials}); err != nil {
			panic(err)
		}
		h, err := st.Snapshot(ctx)
		if err != nil {
			panic(err)
		}
		sent, err := m.Push(ctx, h)
		fmt.Println(sent, err)
	}
	// Output:
	// 10 <nil>
	// 5 <nil>
}
