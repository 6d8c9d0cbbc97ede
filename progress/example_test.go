package progress_test

import (
	"context"
	"log"
	"log/slog"
	"os"

	"github.com/attune-hpo/attune/progress"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

var choice = space.Categorical("choice", "only")

// objective logs while it runs.
func objective(_ context.Context, t *study.Trial) (float64, error) {
	log.Println("drew", choice.Suggest(t))
	return 0.5, nil
}

func optimize(o study.Observer) {
	ctx := context.Background()
	st, err := study.Open(ctx, &memory.Store{}, "example", study.Config{Sampler: random.Sampler{}, Observer: o})
	if err != nil {
		panic(err)
	}
	defer st.Close()
	if err := st.Optimize(ctx, study.Func(objective), study.Run{Trials: 1}); err != nil {
		panic(err)
	}
}

func ExampleLog() {
	log.SetOutput(os.Stderr)
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" { // which differ from run to run
				return slog.Attr{}
			}
			return a
		},
	}))
	optimize(progress.Log(logger))
	// Output:
	// level=INFO msg="run started" study=example trials=1 finished=0
	// level=INFO msg="trial complete" trial=0 values=[0.5] params.choice=only best=true
	// level=INFO msg="run ended"
}

func ExampleBar() {
	optimize(progress.Bar(os.Stderr))
}

// A logger that writes to the display does not get into the bar's line.
func ExampleNew() {
	d := progress.New(os.Stderr)
	log.SetOutput(d)
	optimize(d)
}
