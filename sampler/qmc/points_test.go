package qmc

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// golden are points that SciPy computed; see testdata/README.md.
func golden(t *testing.T) (g struct {
	Indices    []int
	SobolDims  []int `json:"sobol_dims"`
	Sobol      [][]float64
	HaltonDims []int `json:"halton_dims"`
	Halton     [][]float64
}) {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &g))
	return g
}

func TestPlainSequencesAreThoseOfSciPy(t *testing.T) {
	g := golden(t)
	for i, n := range g.Indices {
		for j, dim := range g.SobolDims {
			require.Equal(t, g.Sobol[i][j], sobol(n, dim), "Sobol' point %d, dimension %d", n, dim)
		}
		for j, dim := range g.HaltonDims {
			require.InDelta(t, g.Halton[i][j], halton(n, dim), 1e-14, "Halton point %d, dimension %d", n, dim)
		}
	}
}

// Each block of base^k points has one in each of the base^k intervals, in every
// dimension, however the sequence is scrambled.
func TestBlocksAreStratified(t *testing.T) {
	type sequence struct {
		name  string
		point func(n, dim int) float64
		base  func(dim int) int
	}
	two := func(int) int { return 2 }
	prime := func(dim int) int { return primes()[dim] }
	sequences := []sequence{{"sobol", sobol, two}}
	for seed := range uint64(3) {
		sequences = append(sequences,
			sequence{fmt.Sprintf("scrambled sobol, seed %d", seed), func(n, dim int) float64 { return scrambledSobol(n, dim, seed) }, two},
			sequence{fmt.Sprintf("scrambled halton, seed %d", seed), func(n, dim int) float64 { return scrambledHalton(n, dim, seed) }, prime})
	}
	for _, s := range sequences {
		t.Run(s.name, func(t *testing.T) {
			for _, dim := range []int{0, 1, 2, 3, 7, 40, 1110} {
				for size := s.base(dim); size <= 4096; size *= s.base(dim) {
					for block := range 2 {
						hit := make([]bool, size)
						for n := block * size; n < (block+1)*size; n++ {
							u := s.point(n, dim)
							require.True(t, 0 <= u && u < 1, "%v", u)
							i := int(u * float64(size))
							require.False(t, hit[i], "dimension %d: two of %d points in interval %d", dim, size, i)
							hit[i] = true
						}
					}
				}
			}
		})
	}
}

// A single scrambled point is uniform over the seeds, and so are pairs of its
// dimensions: χ² with 63 degrees of freedom, whose 99.9 % quantile is 103.4.
func TestScrambledPointsAreUniform(t *testing.T) {
	const seeds = 12_800
	for name, point := range map[string]func(n, dim int, seed uint64) float64{"sobol": scrambledSobol, "halton": scrambledHalton} {
		for _, n := range []int{0, 1, 77} {
			var counts [64]float64
			for seed := range uint64(seeds) {
				counts[int(point(n, 0, seed)*8)*8+int(point(n, 12, seed)*8)]++
			}
			chi2 := 0.0
			for _, c := range counts {
				chi2 += (c - seeds/64) * (c - seeds/64) / (seeds / 64)
			}
			assert.Less(t, chi2, 103.4, "%s, point %d", name, n)
		}
	}
}

// discrepancy returns the square of the L2 star discrepancy (Warnock, 1972).
func discrepancy(points [][]float64) float64 {
	n, d := float64(len(points)), len(points[0])
	first, second, third := 1.0, 0.0, 0.0
	for range d {
		first /= 3
	}
	for _, x := range points {
		p := 1.0
		for _, v := range x {
			p *= (1 - v*v) / 2
		}
		second += p
		for _, y := range points {
			q := 1.0
			for k := range d {
				q *= 1 - max(x[k], y[k])
			}
			third += q
		}
	}
	return first - 2/n*second + third/(n*n)
}

// The figures for 256 points in 5 dimensions; random points have a mean square
// discrepancy of (2^-d - 3^-d)/n.
func TestDiscrepancyIsLow(t *testing.T) {
	const n, d = 256, 5
	random := (1.0/32 - 1.0/243) / n
	of := func(point func(n, dim int) float64) float64 {
		points := make([][]float64, n)
		for i := range points {
			for dim := range d {
				points[i] = append(points[i], point(i, dim))
			}
		}
		return discrepancy(points)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	assert.InEpsilon(t, random, of(func(int, int) float64 { return rng.Float64() }), 0.5, "the formula")
	assert.Less(t, of(sobol), random/2)
	assert.Less(t, of(halton), random/2)
	for seed := range uint64(5) {
		assert.Less(t, of(func(n, dim int) float64 { return scrambledSobol(n, dim, seed) }), random/5)
		assert.Less(t, of(func(n, dim int) float64 { return scrambledHalton(n, dim, seed) }), random/4)
	}
}

func TestPrimes(t *testing.T) {
	assert.Equal(t, []int{2, 3, 5, 7, 11, 13}, primes()[:6])
	assert.Equal(t, 7919, primes()[999], "the thousandth prime")
}

func BenchmarkScrambled(b *testing.B) {
	for name, point := range map[string]func(n, dim int, seed uint64) float64{"sobol": scrambledSobol, "halton": scrambledHalton} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				point(1000, 5, 42)
			}
		})
	}
}
