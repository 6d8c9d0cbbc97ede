package study

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// seed returns the SHA-256 of words, each as 64 bits, big-endian. All randomness of a trial comes from it.
func seed(words ...uint64) [sha256.Size]byte {
	var b []byte
	for _, w := range words {
		b = binary.BigEndian.AppendUint64(b, w)
	}
	return sha256.Sum256(b)
}

// objectiveSeed returns the [Trial.Seed] of a trial: bytes 0 to 7 of the seed of
// the study's seed and the trial's number.
func objectiveSeed(study uint64, number int) uint64 {
	sum := seed(study, uint64(number))
	return binary.BigEndian.Uint64(sum[:8])
}

// drawRand returns the generator of a draw in a trial that already has count coordinates. It depends on nothing
// else, so that another process can continue a trial. Bytes 8 to 23 of the seed of the study's seed, the
// trial's number and, if it is not 0, the count are the state of a PCG.
func drawRand(study uint64, number, decided int) *rand.Rand {
	words := []uint64{study, uint64(number), uint64(decided)}
	if decided == 0 { // the seed of all draws of a trial, before each draw had its own
		words = words[:2]
	}
	sum := seed(words...)
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[8:16]), binary.BigEndian.Uint64(sum[16:24])))
}
