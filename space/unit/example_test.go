package unit_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
)

// A sampler that works on vectors in the unit cube moves a trial's parameters a
// tenth up in each coordinate.
func Example() {
	rate, depth, booster := space.Float("rate", 1e-4, 1, space.Log()), space.Int("depth", 1, 10), space.Categorical("booster", "gbdt", "dart")
	s := space.Of(rate, depth, booster)
	p, _ := s.Params(rate.At(0.01), depth.At(3), booster.At("gbdt"))

	moved := space.Params{Space: s, Point: make([]float64, len(s))}
	for i, a := range s {
		u := unit.To(a.Distribution, p.Point[i])
		moved.Point[i] = unit.From(a.Distribution, u+0.1)
		fmt.Printf("%s: %.2f\n", a.Name, u)
	}
	x, _ := rate.Value(moved)
	n, _ := depth.Value(moved)
	b, _ := booster.Value(moved)
	fmt.Printf("%.4f %d %s\n", x, n, b)
	// Output:
	// rate: 0.50
	// depth: 0.25
	// booster: 0.25
	// 0.0251 4 gbdt
}

func ExampleDraw() {
	d := space.Int("depth", 1, 3).Axis().Distribution
	rng := rand.New(rand.NewPCG(1, 2))
	counts := map[float64]int{}
	for range 3000 {
		counts[unit.Draw(d, rng)]++
	}
	for depth := 1.0; depth <= 3; depth++ {
		fmt.Println(depth, 950 < counts[depth] && counts[depth] < 1050)
	}
	// Output:
	// 1 true
	// 2 true
	// 3 true
}

func ExampleFrom() {
	d := space.Int("units", 16, 256, space.Log()).Axis().Distribution
	for _, u := range []float64{0, 0.25, 0.5, 0.75, 1} {
		fmt.Print(unit.From(d, u), " ")
	}
	fmt.Println()
	// Output: 16 31 63 127 256
}

func ExampleTo() {
	d := space.Int("units", 0, 3).Axis().Distribution // each has a quarter of [0, 1]
	for i := range 4 {
		fmt.Print(unit.To(d, float64(i)), " ")
	}
	fmt.Println()
	// Output: 0.125 0.375 0.625 0.875
}

func ExampleCell() {
	d := space.Float("momentum", 0, 0.9, space.Step(0.3)).Axis().Distribution
	fmt.Println(unit.Cell(d, 0.6))
	fmt.Println(unit.Cell(d, 0.5))
	// Output:
	// 2 true
	// 0 false
}
