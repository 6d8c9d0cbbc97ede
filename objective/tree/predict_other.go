//go:build !amd64

package tree

// Without kernels trees are walked; nothing calls walkVectors.
const vectors = false

func walkVectors(nodes *vectorNode, n int, x *int16, leaves, sums *float64, vectors int) {}

func search(sorted []uint64, keys *[blockRows]uint64, ranks *[blockRows]uint32, n int) {
	searchPlain(sorted, keys, ranks, n)
}

func searchQuad(q *quad, keys *[quadInputs]uint64, ranks *[quadInputs]uint32) {
	searchQuadPlain(q, keys, ranks)
}
