package grid

import "math/bits"

// A twister is the generator MT19937 of Matsumoto and Nishimura ("Mersenne
// Twister", ACM TOMACS 8, 1998), which NumPy's RandomState is.
type twister struct {
	state [624]uint32
	next  int
}

func newTwister(seed uint32) *twister {
	t := &twister{next: 624}
	t.state[0] = seed
	for i := 1; i < len(t.state); i++ {
		prev := t.state[i-1]
		t.state[i] = 1812433253*(prev^prev>>30) + uint32(i)
	}
	return t
}

func (t *twister) uint32() uint32 {
	s := &t.state
	if t.next == len(s) {
		for i := range s {
			y := s[i]&0x80000000 | s[(i+1)%624]&0x7fffffff
			s[i] = s[(i+397)%624] ^ y>>1 ^ y&1*0x9908b0df
		}
		t.next = 0
	}
	y := s[t.next]
	t.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// below returns a number from 0 to most, both included, as NumPy draws it: bits
// enough for most, until they are not above it.
func (t *twister) below(most uint32) uint32 {
	mask := uint32(1)<<bits.Len32(most) - 1
	for {
		if x := t.uint32() & mask; x <= most {
			return x
		}
	}
}
