//go:build unix

package command_test

import (
	"context"
	"fmt"

	"github.com/attune-hpo/attune/objective/command"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

// The program here is one line of shell. It gets x as an argument and prints (x-3)².
func Example() {
	ctx := context.Background()
	x := space.Int("x", 0, 6)
	square, err := command.New(command.Config{
		Args:  []string{"sh", "-c", `echo attune: value=$((($1-3)*($1-3)))`, "sh", "{x}"},
		Space: space.Of(x),
	})
	if err != nil {
		panic(err)
	}
	st, err := study.Open(ctx, new(memory.Store), "square", study.Config{Sampler: tpe.New(tpe.Config{}), Space: space.Of(x)})
	if err != nil {
		panic(err)
	}
	defer st.Close()
	if err := st.Optimize(ctx, square, study.Run{Trials: 12, Fatal: command.Unstartable}); err != nil {
		panic(err)
	}
	best, err := st.Best(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println(best.Params, "is", best.Values[0])
	// Output: x=3 is 0
}

func ExampleObjective_Invocation() {
	lr := space.Float("lr", 1e-5, 0.1, space.Log())
	train, err := command.New(command.Config{Args: []string{"sh", "train.sh", "--lr", "{lr}"}, Space: space.Of(lr)})
	if err != nil {
		panic(err)
	}
	params, err := space.Of(lr).Params(lr.At(0.01))
	if err != nil {
		panic(err)
	}
	fmt.Println(train.Invocation(12, 5<<33, params, 0))
	// Output: ATTUNE_SEED=5 sh train.sh --lr 0.01
}
