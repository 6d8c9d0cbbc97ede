package serve

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/tensor"
)

// counts are the counters of a server.
type counts struct {
	rows, runs, joined, failures, refused, swaps   atomic.Uint64
	fallbacks                                      atomic.Uint64 // of versions that were replaced
	compared, disagreements, shadowErrors, dropped atomic.Uint64
	latency                                        runtime.Latency
}

// Stats are the counts of a [Server] since its start.
type Stats struct {
	Rows     uint64 // rows predicted
	Runs     uint64 // runs of the model
	Joined   uint64 // requests that shared a run with others
	Failures uint64 // runs that failed
	// Fallbacks counts the runs for which a model with a method Stats, such as that of package deploy, asked its
	// native model because the ONNX file failed. They are not among the Failures, unless both failed.
	Fallbacks uint64
	Refused   uint64 // requests refused because too many were waiting
	Swaps     uint64 // times another version went live
	Waiting   int    // requests waiting now
	// Compared counts the rows that the shadow model predicted, too. Disagreements counts those in which a label
	// differs, or a number differs by more than 1e-4 + 1e-3·|live|.
	Compared, Disagreements uint64
	ShadowErrors            uint64 // failed runs of the shadow model
	ShadowDropped           uint64 // runs that were not compared because the shadow model was busy
	Missing                 uint64 // numbers that were missing in the inputs
	Latency                 runtime.Summary
	Drift                   []Drift // of each watched column; empty for fewer than 2000 rows
}

// A Drift says how far a column of an input or output has moved since the version went live: the
// population stability index of the latest 1000 rows, compared with the first 1000. Numbers are
// counted by the deciles of the first rows, and labels one by one. Below 0.1 counts as no drift, above
// 0.25 as a lot.
type Drift struct {
	Tensor string
	Column int
	Index  float64
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	c := &s.counts
	t := Stats{Rows: c.rows.Load(), Runs: c.runs.Load(), Joined: c.joined.Load(), Failures: c.failures.Load(), Refused: c.refused.Load(), Swaps: c.swaps.Load(),
		Waiting: len(s.queue), Compared: c.compared.Load(), Disagreements: c.disagreements.Load(), ShadowErrors: c.shadowErrors.Load(), ShadowDropped: c.dropped.Load(),
		Latency: c.latency.Summary()}
	t.Missing, t.Drift = s.drift.stats()
	s.mu.RLock()
	t.Fallbacks = c.fallbacks.Load() + fallbacks(s.live.Model)
	s.mu.RUnlock()
	return t
}

// fallbacks returns how often a model asked its native model.
func fallbacks(m Model) uint64 {
	if f, ok := m.(interface{ Stats() runtime.FallbackStats }); ok {
		return f.Stats().Fallbacks
	}
	return 0
}

// disagreements counts the rows of two predictions, and those that disagree.
func disagreements(live, other tensor.List) (rows, bad int, err error) {
	rows, err = live.Rows()
	if err != nil {
		return 0, 0, err
	}
	differs := make([]bool, rows)
	for _, a := range live {
		b, ok := other.Named(a.Name)
		if !ok {
			return 0, 0, fmt.Errorf("it has no output %s", a.Name)
		}
		_, n := a.Kind()
		if _, m := b.Kind(); m != n {
			return 0, 0, fmt.Errorf("output %s has %d values, and %d in the shadow", a.Name, n, m)
		}
		width := n / rows
		differ := func(i int) { differs[i/width] = true }
		switch x := a.Data.(type) {
		case []string:
			y, ok := b.Data.([]string)
			for i := range x {
				if !ok || x[i] != y[i] {
					differ(i)
				}
			}
		case []int64:
			y, ok := b.Data.([]int64)
			for i := range x {
				if !ok || x[i] != y[i] {
					differ(i)
				}
			}
		default:
			p, q := a.Floats(), b.Floats()
			for i := range p {
				same := p[i] == q[i] || p[i] != p[i] && q[i] != q[i]
				if !same && !(math.Abs(p[i]-q[i]) <= 1e-4+1e-3*math.Abs(p[i])) {
					differ(i)
				}
			}
		}
	}
	for _, d := range differs {
		if d {
			bad++
		}
	}
	return rows, bad, nil
}

const (
	window  = 1000 // rows of the reference, and of each comparison with it
	watched = 64   // columns of a tensor that are watched
	bins    = 10
)

// A drift watches the columns of inputs and outputs.
type drift struct {
	mu      sync.Mutex
	columns map[string][]*moving // by tensor
	order   []string
	missing uint64
}

func (d *drift) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.columns, d.order = nil, nil
}

// note counts the rows of a run. Texts of inputs are not watched.
func (d *drift) note(inputs, outputs tensor.List) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range inputs {
		if kind, _ := t.Kind(); kind != "string" {
			d.tensor("input "+t.Name, t)
			for _, x := range t.Floats() {
				if x != x {
					d.missing++
				}
			}
		}
	}
	for _, t := range outputs {
		d.tensor("output "+t.Name, t)
	}
}

func (d *drift) tensor(name string, t tensor.Tensor) {
	_, n := t.Kind()
	if len(t.Shape) == 0 || t.Shape[0] < 1 {
		return
	}
	width := n / int(t.Shape[0])
	columns, ok := d.columns[name]
	if !ok {
		if d.columns == nil {
			d.columns = map[string][]*moving{}
		}
		for range min(width, watched) {
			columns = append(columns, new(moving))
		}
		d.columns[name], d.order = columns, append(d.order, name)
	}
	labels, numbers := []string(nil), []float64(nil)
	switch data := t.Data.(type) {
	case []string:
		labels = data
	case []int64:
		for _, v := range data {
			labels = append(labels, fmt.Sprint(v))
		}
	default:
		numbers = t.Floats()
	}
	for i := range n {
		if k := i % max(width, 1); k < len(columns) {
			if labels != nil {
				columns[k].label(labels[i])
			} else {
				columns[k].number(numbers[i])
			}
		}
	}
}

func (d *drift) stats() (missing uint64, all []Drift) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range d.order {
		for k, m := range d.columns[name] {
			if m.compared {
				all = append(all, Drift{name, k, m.index})
			}
		}
	}
	return d.missing, all
}

// A moving column is compared with its first rows.
type moving struct {
	first    []float64 // of numbers, until there are enough
	n        int       // rows in now
	edges    []float64
	places   map[string]int // of labels
	base     []float64      // counts of the reference; nil until it is complete
	now      []float64
	compared bool
	index    float64
}

// most limits the labels that are told apart.
const most = 100

func (m *moving) label(text string) {
	if m.places == nil {
		m.places, m.now = map[string]int{}, make([]float64, most+1)
	}
	at, ok := m.places[text]
	if !ok {
		if at = most; len(m.places) < most {
			at = len(m.places)
			m.places[text] = at
		}
	}
	m.add(at)
}

func (m *moving) number(x float64) {
	if m.edges == nil {
		if m.first = append(m.first, x); len(m.first) < window {
			return
		}
		sorted := slices.DeleteFunc(slices.Clone(m.first), func(x float64) bool { return x != x })
		slices.Sort(sorted)
		m.edges = []float64{}
		for i := 1; i < bins && len(sorted) > 0; i++ {
			m.edges = append(m.edges, sorted[i*len(sorted)/bins])
		}
		m.edges = slices.Compact(m.edges)
		m.now = make([]float64, len(m.edges)+2)
		all := m.first
		m.first = nil
		for _, x := range all {
			m.add(m.bin(x))
		}
		return
	}
	m.add(m.bin(x))
}

// bin returns the number of a bin; the last one is for missing values.
func (m *moving) bin(x float64) int {
	if x != x {
		return len(m.edges) + 1
	}
	at, _ := slices.BinarySearch(m.edges, x)
	return at
}

func (m *moving) add(bin int) {
	m.now[bin]++
	if m.n++; m.n < window {
		return
	}
	if m.base == nil {
		m.base = m.now
	} else {
		m.compared, m.index = true, stability(m.base, m.now)
	}
	m.n, m.now = 0, make([]float64, len(m.base))
}

// stability returns the population stability index of counts. Half a row is added to each bin that
// either has, so that an empty one does not make it infinite.
func stability(base, now []float64) float64 {
	sum := 0.0
	for i := range base {
		if base[i] == 0 && now[i] == 0 {
			continue
		}
		p, q := (base[i]+0.5)/window, (now[i]+0.5)/window
		sum += (q - p) * math.Log(q/p)
	}
	return sum
}
