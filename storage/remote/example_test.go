package remote_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/remote"
	"github.com/attune-hpo/attune/study"
)

func ExampleServer() {
	store := remote.Server("https://tuning.example.com:8080")
	fmt.Println(store.Address())
	// st, err := study.Open(ctx, store, "lightgbm", study.Config{Sampler: tpe.New(tpe.Config{})})

	// Output:
	// https://tuning.example.com:8080
}

// A program serves a store, and workers elsewhere use it.
func ExampleNewHandler() {
	h := remote.NewHandler(new(memory.Store))
	defer h.Close()
	mux := http.NewServeMux()
	mux.Handle("/ledger/", h)
	s := httptest.NewServer(mux)
	defer s.Close()

	ctx := context.Background()
	st, err := study.Open(ctx, remote.Server(s.URL), "net", study.Config{Sampler: random.Sampler{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	x := space.Float("x", 0, 1)
	err = st.Optimize(ctx, study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		return x.Suggest(t), nil
	}), study.Run{Trials: 10})
	if err != nil {
		fmt.Println(err)
	}
	trials, err := st.Snapshot(ctx)
	fmt.Println(trials.Len(), err)
	// Output:
	// 10 <nil>
}
