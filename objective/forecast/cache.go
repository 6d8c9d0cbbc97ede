package forecast

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A Cache keeps tables, so that trials of a study that differ only in the model's
// parameters share them. It identifies a frame by its memory, not by its values. It is
// safe for concurrent use. A nil Cache keeps nothing.
type Cache struct {
	most int

	mu      sync.Mutex
	keys    []string // oldest first
	entries map[string]func() (*cached, error)
}

type cached struct {
	prepared     *Prepared
	train, valid []Table // by model; if nothing is held out, valid has the rows of the forecast after the data
	frame        Frame   // keeps the memory in the key from being reused
}

// NewCache returns a cache that holds up to most sets of tables. Each fold and recipe has
// its own set. In a full cache, a new set replaces the oldest.
func NewCache(most int) *Cache {
	return &Cache{most: max(1, most), entries: map[string]func() (*cached, error){}}
}

func (c *Cache) tables(r Recipe, f Frame, holdout int) (*cached, error) {
	if c == nil {
		return newTables(r, f, holdout)
	}
	key := cacheKey(r, f, holdout)
	c.mu.Lock()
	get, ok := c.entries[key]
	if !ok {
		if len(c.keys) == c.most {
			delete(c.entries, c.keys[0])
			c.keys = c.keys[1:]
		}
		f = slices.Clone(f)
		get = sync.OnceValues(func() (*cached, error) { return newTables(r, f, holdout) })
		c.keys, c.entries[key] = append(c.keys, key), get
	}
	c.mu.Unlock()
	return get()
}

func newTables(r Recipe, f Frame, holdout int) (*cached, error) {
	p, err := r.Fit(f, holdout)
	if err != nil {
		return nil, err
	}
	c := &cached{prepared: p, frame: f}
	for model := range p.Models() {
		train, valid, err := p.Tables(f, model, holdout)
		if err != nil {
			return nil, err
		}
		if holdout == 0 {
			valid = p.next(f, model)
		}
		c.train, c.valid = append(c.train, train), append(c.valid, valid)
	}
	return c, nil
}

func cacheKey(r Recipe, f Frame, holdout int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%#v|%d|%#v|%t|%s|%d|%d|%d", r.Features, r.Lags, r.Transform, r.Anchored, r.Strategy, r.Rows, r.Horizon, holdout)
	column := func(name string, v []float64) {
		var first *float64
		if len(v) > 0 {
			first = &v[0]
		}
		fmt.Fprintf(&b, "|%q %p %d", name, first, len(v))
	}
	for _, s := range f {
		fmt.Fprintf(&b, "|%d %v %v", s.Start.UnixNano(), s.Start.Location(), s.Freq)
		column(s.ID, s.Y)
		for _, c := range s.Past {
			column("past "+c.Name, c.Values)
		}
		for _, c := range s.Known {
			column("known "+c.Name, c.Values)
		}
	}
	return b.String()
}
