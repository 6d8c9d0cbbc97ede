package runtime

import (
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"
)

// A Summary describes the durations of calls. Quantiles are over the calls; SD is the
// standard deviation, with n-1. Without calls all fields are 0.
type Summary struct {
	Calls uint64        `json:"calls"`
	Mean  time.Duration `json:"mean_ns"`
	SD    time.Duration `json:"sd_ns"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	Max   time.Duration `json:"max_ns"`
}

// summarize sorts times and computes their exact Summary.
func summarize(times []time.Duration) Summary {
	if len(times) == 0 {
		return Summary{}
	}
	slices.Sort(times)
	var m moments
	for _, t := range times {
		m.add(float64(t))
	}
	rank := func(q float64) time.Duration { return times[int(math.Ceil(q*float64(len(times))))-1] }
	return Summary{
		Calls: uint64(len(times)), Mean: time.Duration(m.mean), SD: m.sd(),
		P50: rank(0.5), P99: rank(0.99), Max: times[len(times)-1],
	}
}

// moments are a mean and a sum of squared deviations, updated with each value
// (Welford 1962).
type moments struct{ n, mean, squares float64 }

func (m *moments) add(x float64) {
	m.n++
	d := x - m.mean
	m.mean += d / m.n
	m.squares += d * (x - m.mean)
}

func (m *moments) sd() time.Duration {
	if m.n < 2 {
		return 0
	}
	return time.Duration(math.Sqrt(m.squares / (m.n - 1)))
}

// A Latency records durations of calls in constant memory. It has 32 buckets for each
// doubling, so quantiles are accurate to within 2 %. The zero value is ready. It is safe for
// concurrent use.
type Latency struct {
	mu      sync.Mutex
	moments moments
	max     time.Duration
	buckets [subBuckets * (64 - subBits)]uint64
}

const (
	subBits    = 5
	subBuckets = 1 << subBits
)

// bucket returns the index of t: below 32 ns t itself, above by the leading 6 bits.
func bucket(t time.Duration) int {
	v := uint64(max(t, 0))
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// middle returns the time in the middle of a bucket.
func middle(b int) time.Duration {
	shift := max(b>>subBits-1, 0)
	low := uint64(b-shift<<subBits) << shift
	return time.Duration(low + (uint64(1)<<shift)/2)
}

// Add records the duration of a call. A negative one counts as 0.
func (l *Latency) Add(t time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moments.add(float64(t))
	l.max = max(l.max, t)
	l.buckets[bucket(t)]++
}

// Summary describes the durations so far.
func (l *Latency) Summary() Summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := uint64(l.moments.n)
	rank := func(q float64) time.Duration {
		want := uint64(math.Ceil(q * float64(n)))
		var sum uint64
		for b, c := range l.buckets {
			if sum += c; c > 0 && sum >= want {
				return min(middle(b), l.max)
			}
		}
		return 0
	}
	return Summary{
		Calls: n, Mean: time.Duration(l.moments.mean), SD: l.moments.sd(),
		P50: rank(0.5), P99: rank(0.99), Max: l.max,
	}
}
