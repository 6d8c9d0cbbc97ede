// Package selection finds order statistics without sorting.
package selection

// Partition partially sorts xs, which must not contain NaN: xs[k] is the value that sorting
// would put there, no value before it is greater and no value after it is less. It is
// Hoare's algorithm 65 (CACM 4, 1961), with the median of three as the pivot.
func Partition(xs []float64, k int) {
	low, high := 0, len(xs)-1
	for low < high {
		a, b, c := xs[low], xs[low+(high-low)/2], xs[high]
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := low, high
		for i <= j {
			for xs[i] < pivot {
				i++
			}
			for pivot < xs[j] {
				j--
			}
			if i <= j {
				xs[i], xs[j] = xs[j], xs[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			high = j
		case k >= i:
			low = i
		default:
			return
		}
	}
}
