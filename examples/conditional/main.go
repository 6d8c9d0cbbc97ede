// Conditional searches a space in which some parameters exist only for some values of
// others, in three equivalent ways: plain control flow in the objective, a declared space,
// and a declared space written in YAML.
package main

import (
	"context"
	"fmt"
	"log"
	"math"
	"strings"

	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

var (
	optimizer = space.Categorical("optimizer", "sgd", "adam")
	rate      = space.Float("learning_rate", 1e-5, 1, space.Log())
	momentum  = space.Float("momentum", 0, 0.99)  // of sgd
	beta      = space.Float("beta2", 0.9, 0.9999) // of adam
)

// objective asks for what it needs, when it needs it: Go's own control flow is
// the description of the space.
func objective(_ context.Context, t *study.Trial) (float64, error) {
	lr := rate.Suggest(t)
	switch optimizer.Suggest(t) {
	case "sgd":
		return loss(lr, 0.1) + square(momentum.Suggest(t)-0.9), nil
	default:
		return loss(lr, 0.001) + square(beta.Suggest(t)-0.99) + 0.1, nil
	}
}

// declared says the same beforehand, so that a sampler knows all of it from the
// first trial on.
var declared = space.Of(
	optimizer,
	rate,
	momentum.When(optimizer.Is("sgd")),
	beta.When(optimizer.Is("adam")),
)

// inYAML is declared, as a team would keep it in a file.
const inYAML = `
parameters:
  - {name: optimizer, type: categorical, choices: [sgd, adam]}
  - {name: learning_rate, type: float, low: 1.0e-5, high: 1, log: true}
  - {name: momentum, type: float, low: 0, high: 0.99, when: {optimizer: sgd}}
  - {name: beta2, type: float, low: 0.9, high: 0.9999, when: {optimizer: adam}}
`

func main() {
	read, err := spaceyaml.Read(strings.NewReader(inYAML))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the YAML says what the Go declaration says:", read.Equal(declared))
	for _, way := range []struct {
		name  string
		space space.Space
	}{
		{"control flow", nil},
		{"declared", declared},
		{"YAML", read},
	} {
		if err := search(context.Background(), way.name, way.space); err != nil {
			log.Fatal(err)
		}
	}
}

func search(ctx context.Context, name string, s space.Space) error {
	st, err := study.Open(ctx, new(memory.Store), name, study.Config{Sampler: tpe.New(tpe.Config{}), Space: s})
	if err != nil {
		return err
	}
	defer st.Close()
	if err := st.Optimize(ctx, study.Func(objective), study.Run{Trials: 150}); err != nil {
		return err
	}
	best, err := st.Best(ctx)
	if err != nil {
		return err
	}
	chosen, _ := optimizer.Value(best)
	_, hasMomentum := momentum.Value(best)
	_, hasBeta := beta.Value(best)
	fmt.Printf("%-12s  best: %s, momentum: %t, beta2: %t\n", name, chosen, hasMomentum, hasBeta)
	return nil
}

// loss is least when the learning rate is right, on a logarithmic scale.
func loss(rate, right float64) float64 { return square(math.Log10(rate / right)) }

func square(x float64) float64 { return x * x }
