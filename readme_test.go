package attune_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

// train stands for a training job of 30 epochs: the loss it reaches, and how
// quickly, depend on the learning rate and the number of layers.
func train(rate float64, layers, epoch int) float64 {
	target := 0.1 + math.Abs(math.Log10(rate)+3)/10 + math.Abs(float64(layers)-3)/20
	return target + math.Exp(-float64(epoch)/5)
}

// The second program of the README: the lines between the two marks are the same
// there and here.
func Example() {
	// README starts here
	ctx := context.Background()
	rate := space.Float("learning_rate", 1e-5, 1e-1, space.Log())
	layers := space.Int("layers", 1, 6)

	st, err := study.Open(ctx, new(memory.Store), "network", study.Config{
		Sampler: tpe.New(tpe.Config{}),
		Pruner:  pruner.Extrapolation{},
	})
	if err != nil {
		panic(err)
	}
	defer st.Close()

	objective := study.Func(func(ctx context.Context, t *study.Trial) (loss float64, err error) {
		r, l := rate.Suggest(t), layers.Suggest(t) // a float64 and an int
		for epoch := range 30 {
			loss = train(r, l, epoch)
			if err := t.Report(ctx, epoch, loss); err != nil {
				return 0, err // pruned, cancelled or broken: all the same to an objective
			}
		}
		return loss, nil
	})
	if err := st.Optimize(ctx, objective, study.Run{Trials: 100}); err != nil {
		panic(err)
	}

	best, err := st.Best(ctx)
	if err != nil {
		panic(err)
	}
	l, _ := layers.Value(best)
	fmt.Printf("loss %.1f with %d layers\n", best.Values[0], l)
	// README ends here
	// Output: loss 0.1 with 3 layers
}

// The README shows examples/hello, and then the code of Example.
func TestReadmeShowsTheExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	hello, err := os.ReadFile("examples/hello/main.go")
	require.NoError(t, err)
	source, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	_, code, _ := strings.Cut(string(source), "// README starts here\n")
	code, _, _ = strings.Cut(code, "\t// README ends here")
	code = strings.ReplaceAll("\n"+code, "\n\t", "\n")[1:]

	var shown []string
	for i, block := range strings.Split(string(readme), "```go\n") {
		if text, _, ok := strings.Cut(block, "```"); ok && i > 0 {
			shown = append(shown, text)
		}
	}
	assert.Equal(t, []string{string(hello), code}, shown)
}
