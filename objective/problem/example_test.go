package problem_test

import (
	"fmt"

	"github.com/attune-hpo/attune/objective/problem"
	"github.com/attune-hpo/attune/space"
)

func ExampleAt() {
	p := problem.Branin()
	here := space.Params{Space: p.Space, Point: []float64{3, 2}}
	fmt.Printf("loss %.4f, regret %.4f\n", p.Loss(problem.At(here)), p.Loss(problem.At(here))-p.Minimum)
	// Output: loss 0.6445, regret 0.2466
}

func ExamplePipeline() {
	p := problem.Pipeline()
	for name, v := range p.Argmin[0].All() {
		fmt.Print(name, "=", v, " ")
	}
	fmt.Printf("loss=%.1f\n", p.Loss(problem.At(p.Argmin[0])))
	// Output: model=network scale=standard features=16 layers=2 rate=0.0031622776601683794 dropout=0.2 units0=256 units1=128 loss=0.0
}

func ExampleAckley() {
	p := problem.Ackley(3)
	fmt.Println(p.Minimum, "at", p.Argmin[0].Point)
	// Output: 0 at [6 -10 18]
}

func ExampleZDT1() {
	f := problem.ZDT1(30)
	fmt.Printf("(0.25, %.2f), hypervolume %.4f\n", f.Second(0.25), f.Hypervolume)
	// Output: (0.25, 0.50), hypervolume 0.8767
}
