package study

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// trialSeed derives all randomness of a trial: SHA-256 of the study's seed and
// the trial's number, both as 64 bits, big-endian. Bytes 0 to 7 seed the
// objective ([Trial.Seed]), bytes 8 to 23 the sampler's generator.
func trialSeed(study uint64, number int) [sha256.Size]byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], study)
	binary.BigEndian.PutUint64(b[8:], uint64(number))
	return sha256.Sum256(b[:])
}

func objectiveSeed(study uint64, number int) uint64 {
	sum := trialSeed(study, number)
	return binary.BigEndian.Uint64(sum[:8])
}

func samplerRand(study uint64, number int) *rand.Rand {
	sum := trialSeed(study, number)
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[8:16]), binary.BigEndian.Uint64(sum[16:24])))
}
