package qmc

import (
	_ "embed"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"sync"
)

// The first 1,111 dimensions of new-joe-kuo-6: every primitive polynomial up to
// degree 13. Its licence is in LICENSE.directions.txt.
//
//go:embed directions.txt
var directionsText string

// sobolBits is the number of digits of a point of the plain sequence.
const sobolBits = 32

// directions returns the direction numbers v[dim][k] of Joe and Kuo (2008), as
// binary fractions with sobolBits digits.
var directions = sync.OnceValue(func() *[Dimensions][sobolBits]uint32 {
	v := new([Dimensions][sobolBits]uint32)
	for k := range sobolBits {
		v[0][k] = 1 << (sobolBits - 1 - k) // van der Corput
	}
	for line := range strings.Lines(directionsText) {
		var row [16]uint32 // dimension, degree s, coefficients a, m[1] ... m[s]
		fields := strings.Fields(line)
		for i, f := range fields {
			n, err := strconv.ParseUint(f, 10, 32)
			if err != nil || i == len(row) {
				panic(fmt.Sprintf("qmc: directions.txt: %q", line))
			}
			row[i] = uint32(n)
		}
		s, a := int(row[1]), row[2]
		w := &v[row[0]-1]
		for k := range sobolBits {
			if k < s {
				w[k] = row[3+k] << (sobolBits - 1 - k)
				continue
			}
			w[k] = w[k-s] ^ w[k-s]>>s // equation (2)
			for j := 1; j < s; j++ {
				w[k] ^= a >> (s - 1 - j) & 1 * w[k-j]
			}
		}
	}
	return v
})

// sobolDigits returns the binary digits of point n: the sum, modulo 2, of the
// direction numbers at the ones of the Gray code of n (Antonov and Saleev, 1979).
func sobolDigits(n, dim int) (x uint32) {
	v := &directions()[dim]
	for gray := uint32(n) ^ uint32(n)>>1; gray != 0; gray &= gray - 1 {
		x ^= v[bits.TrailingZeros32(gray)]
	}
	return x
}

func sobol(n, dim int) float64 { return float64(sobolDigits(n, dim)) / (1 << sobolBits) }

// scrambledSobol returns a point of the sequence with its digits scrambled as
// Owen does ("Randomly permuted (t,m,s)-nets and (t,s)-sequences", 1995): each
// digit is flipped or not, depending at random on all digits before it. The point
// is uniform on [0, 1), and blocks of points stay as even as they were.
func scrambledSobol(n, dim int, seed uint64) float64 {
	const digits = 53
	x := uint64(sobolDigits(n, dim)) << (digits - sobolBits)
	key := dimensionSeed(seed, dim)
	var y uint64
	for k := range digits {
		node := 1<<k | x>>(digits-k) // of the tree of all prefixes
		bit := x >> (digits - 1 - k) & 1
		y = y<<1 | bit ^ mix(key^node)>>63
	}
	return float64(y) / (1 << digits)
}

func dimensionSeed(seed uint64, dim int) uint64 { return mix(seed + mix(uint64(dim)+1)) }

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, 2014): it takes
// different numbers to different numbers that look random.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
