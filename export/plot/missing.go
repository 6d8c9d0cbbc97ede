package plot

import (
	"slices"
	"strings"
)

// Missing collects the plots that a page lacks, and why. The zero value is ready to use.
type Missing struct {
	why   []string
	kinds [][]string // by why
}

// Add adds a kind of plot that is missing, with a reason as [Why] returns it.
func (m *Missing) Add(kind, why string) {
	i := slices.Index(m.why, why)
	if i < 0 {
		i = len(m.why)
		m.why, m.kinds = append(m.why, why), append(m.kinds, nil)
	}
	m.kinds[i] = append(m.kinds[i], kind)
}

// Sentences returns a sentence for each reason, which names the plots: "Not shown: history, edf: no
// complete trial has a finite value (3 failed)."
func (m *Missing) Sentences() []string {
	var all []string
	for i, why := range m.why {
		all = append(all, "Not shown: "+strings.Join(m.kinds[i], ", ")+": "+why+".")
	}
	return all
}
