package f32_test

import (
	"fmt"

	"github.com/attune-hpo/attune/objective/neural/internal/f32"
)

func ExampleGemm() {
	a := []float32{
		1, 2,
		3, 4,
	}
	b := []float32{
		1, 0, 1,
		0, 1, 1,
	}
	c := make([]float32, 2*3)
	f32.Gemm(false, false, 2, 3, 2, 1, a, 2, b, 3, 0, c, 3)
	fmt.Println(c)

	f32.Gemm(true, false, 2, 3, 2, 1, a, 2, b, 3, 0, c, 3) // aᵀ·b
	fmt.Println(c)
	// Output:
	// [1 2 3 3 4 7]
	// [1 3 4 2 4 6]
}

// Weights that several products share are packed only once.
func ExamplePacked() {
	weights := []float32{
		1, 2, 3,
		4, 5, 6,
	}
	var w f32.Packed
	w.Set(false, 2, 3, weights, 3)
	h := make([]float32, 3)
	for _, x := range [][]float32{{1, 0}, {0, 1}, {1, 1}} {
		f32.GemmPacked(false, 1, 1, x, 2, &w, 0, h, 3)
		fmt.Println(h)
	}
	// Output:
	// [1 2 3]
	// [4 5 6]
	// [5 7 9]
}

// Minimise a function of one parameter, (x-3)².
func ExampleAdam() {
	x, m, v := []float32{0}, make([]float32, 1), make([]float32, 1)
	for step := 1; step <= 500; step++ {
		gradient := []float32{2 * (x[0] - 3)}
		f32.Adam(f32.AdamStep{Rate: 0.1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Step: step}, x, gradient, 1, m, v)
	}
	fmt.Printf("%.3f\n", x[0])
	// Output: 3.000
}
