package tree

import "golang.org/x/sys/cpu"

// vectors says whether the processor can run the kernels.
var vectors = cpu.X86.HasAVX2

// walkVectors adds the leaves of a tree, see [vectorTree], to the sums of 16·vectors
// rows. vectors is 1, 2 or 4; n is the number of nodes and is positive.
//
//go:noescape
func walkVectors(nodes *vectorNode, n int, x *int16, leaves, sums *float64, vectors int)

// searchRows is searchPlain for n rows; n is a positive multiple of 4. half is half of
// len(sorted)+1.
//
//go:noescape
func searchRows(sorted *uint64, half int, keys *uint64, ranks *uint32, n int)

func search(sorted []uint64, keys *[blockRows]uint64, ranks *[blockRows]uint32, n int) {
	searchRows(&sorted[0], (len(sorted)+1)/2, &keys[0], &ranks[0], (n+lanes-1)/lanes*lanes)
}

// searchQuad is like searchRows for one key of each input.
//
//go:noescape
func searchQuad(q *quad, keys *[quadInputs]uint64, ranks *[quadInputs]uint32)
