package tree

import (
	"math/rand/v2"
	"strings"
)

// Exported for tests outside the package.
var (
	Oracles  = oracles
	SameBits = sameBits
)

func (o oracle) Model(t interface {
	Helper()
	Fatal(...any)
}) *Model {
	t.Helper()
	for _, format := range []string{"text", "json"} {
		if s := o.data(format); s != "" {
			m, err := Read(strings.NewReader(s))
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
	}
	t.Fatal("no model of " + o.Name)
	return nil
}

func (o oracle) Library() string { return o.library }

// Random returns a model of numeric splits.
func Random(r *rand.Rand, trees, leaves, features, outputs int) *Model {
	m := random(r, trees, leaves, features, outputs)
	for i := range m.Features {
		m.Features[i].Kind = Numeric
	}
	for i := range m.Trees {
		for j := range m.Trees[i].Nodes {
			m.Trees[i].Nodes[j].Categories = nil
			m.Trees[i].Nodes[j].Missing = MissingNaN
		}
	}
	return m
}
