package f32

// golden is 2⁶⁴ divided by the golden ratio, the increment of SplitMix64's state.
const golden = 0x9e3779b97f4a7c15

// Mix returns a hash of x: the output of SplitMix64 in state x (Steele, Lea and Flood,
// OOPSLA 2014).
func Mix(x uint64) uint64 {
	x += golden
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Uniform fills dst with uniform random numbers between -limit and limit. Each output of
// SplitMix64 gives two, the low half first. Number i depends only on the seed and on i.
// So parts that begin at even indices can be filled separately, in any order, each with the
// seed from [Skip]. The bits are the same on all machines.
func Uniform(dst []float32, limit float32, seed uint64) {
	unit := limit / (1 << 31)
	i := whole(len(dst))
	if i > 0 {
		uniformVectors(&dst[0], i, unit, &[4]uint64{seed + golden, Skip(seed, 2) + golden, Skip(seed, 4) + golden, Skip(seed, 6) + golden})
	}
	for i *= 8; i < len(dst); i += 2 {
		u := Mix(Skip(seed, i))
		dst[i] = unit * float32(int32(u))
		if i+1 < len(dst) {
			dst[i+1] = unit * float32(int32(u>>32))
		}
	}
}

// Skip returns the seed from which [Uniform] continues after n numbers. n must be even.
func Skip(seed uint64, n int) uint64 { return seed + uint64(n/2)*golden }
