package tree

import "testing"

// eachWay runs a test with the vector kernel and without it.
func eachWay(t *testing.T, test func(t *testing.T)) {
	had := vectors
	defer func() { vectors = had }()
	t.Run("walks", func(t *testing.T) {
		vectors = false
		test(t)
	})
	t.Run("vectors", func(t *testing.T) {
		if !had {
			t.Skip("no AVX2")
		}
		vectors = true
		test(t)
	})
}
