//go:build race

package nn

// raced: sync.Pool, where products have their workspace from, forgets at random under
// the race detector.
const raced = true
