package sampler_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// A sum of values whose cost depends only on the number of new trials.
func ExampleMemory() {
	type sum struct {
		read  int // finished trials taken in
		total float64
	}
	var memory sampler.Memory[sum]
	total := func(h trial.Snapshot) (total float64) {
		memory.Use(h, func(s *sum) {
			for ; s.read < h.Len(); s.read++ {
				s.total += h.At(s.read).Values[0]
			}
			total = s.total
		})
		return total
	}
	h := trial.NewHistory(trial.Header{})
	for n := range 3 {
		h.Put(trial.Record{Number: n, State: trial.Complete, Values: []float64{float64(n)}})
		fmt.Println(total(h.Snapshot()))
	}
	// Output:
	// 0
	// 1
	// 3
}

// grown returns a history of n finished trials.
func grown(n int) *trial.History {
	h := trial.NewHistory(trial.Header{})
	for i := range n {
		h.Put(record(i, trial.Complete, params(space.Of(depth), 1)))
	}
	return h
}

func TestMemory(t *testing.T) {
	m := sampler.Memory[[]int]{Most: 2}
	note := func(h trial.Snapshot) (before []int) {
		m.Use(h, func(lens *[]int) {
			before = *lens
			*lens = append(*lens, h.Len())
		})
		return before
	}
	a, b, c := grown(1), grown(2), grown(3)
	assert.Empty(t, note(a.Snapshot()))
	assert.Empty(t, note(b.Snapshot()))
	older := a.Snapshot()
	a.Put(record(1, trial.Complete, params(space.Of(depth), 2)))
	assert.Equal(t, []int{1}, note(a.Snapshot()), "the same history, grown")
	assert.Empty(t, note(older), "an older view may not know of what came later")
	assert.Equal(t, []int{1, 2}, note(a.Snapshot()), "nor does it change what is kept")

	assert.Empty(t, note(c.Snapshot()), "which makes b the least recently used")
	assert.Equal(t, []int{1, 2, 2}, note(a.Snapshot()))
	assert.Empty(t, note(b.Snapshot()), "forgotten")

	assert.Empty(t, note(trial.Snapshot{}))
	assert.Empty(t, note(trial.Snapshot{}), "an empty history has no identity")
}

// The zero Memory keeps the states of 32 histories, and no more.
func TestMemoryIsBounded(t *testing.T) {
	var m sampler.Memory[int]
	var hs []*trial.History
	for range 33 {
		h := grown(1)
		hs = append(hs, h)
		m.Use(h.Snapshot(), func(n *int) { *n = 1 })
	}
	kept := 0
	for i := range hs { // the youngest first, since each use may push another out
		m.Use(hs[len(hs)-1-i].Snapshot(), func(n *int) { kept += *n })
	}
	assert.Equal(t, 32, kept)
}

func TestMemoryAtOnce(t *testing.T) {
	m := sampler.Memory[int]{Most: 4}
	hs := []*trial.History{grown(1), grown(1), grown(1)}
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			for range 100 {
				m.Use(hs[i%3].Snapshot(), func(n *int) { *n++ })
			}
		})
	}
	group.Wait()
	for _, h := range hs {
		m.Use(h.Snapshot(), func(n *int) { assert.Equal(t, 400, *n) })
	}
}
