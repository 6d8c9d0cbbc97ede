package qmc

import (
	"math"
	"sync"
)

// primes returns the first [Dimensions] primes.
var primes = sync.OnceValue(func() []int {
	ps := make([]int, 0, Dimensions)
next:
	for n := 2; len(ps) < Dimensions; n++ {
		for _, p := range ps {
			if p*p > n {
				break
			}
			if n%p == 0 {
				continue next
			}
		}
		ps = append(ps, n)
	}
	return ps
})

// halton returns the radical inverse of n: its digits in the base of the
// dimension, mirrored at the point.
func halton(n, dim int) (u float64) {
	base := primes()[dim]
	unit := 1 / float64(base)
	for ; n > 0; n /= base {
		u += float64(n%base) * unit
		unit /= float64(base)
	}
	return u
}

// scrambledHalton returns the radical inverse of n with its digits permuted, by a
// permutation of its own for each place: d becomes a·d+c modulo the base, a and c
// at random (Matoušek, "On the L2-discrepancy for anchored boxes", 1998). Places
// beyond those of n are filled in too, so the point is uniform on [0, 1).
func scrambledHalton(n, dim int, seed uint64) (u float64) {
	base := uint64(primes()[dim])
	key := dimensionSeed(seed, dim)
	unit, rest := 1/float64(base), uint64(n)
	for place := uint64(0); unit > 0x1p-54; place++ {
		random := mix(key ^ place)
		a, c := 1+random>>32%(base-1), random&0xffffffff%base
		u += float64((a*(rest%base)+c)%base) * unit
		unit /= float64(base)
		rest /= base
	}
	return min(u, math.Nextafter(1, 0))
}
