package tree

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A saved model reads back as the same model, whatever it contains.
func TestSavedModelReadsBack(t *testing.T) {
	models := []*Model{stump(), {Outputs: 2, Base: []float64{1, 2}}}
	for seed := range uint64(20) {
		models = append(models, random(rand.New(rand.NewPCG(seed, 1)), 5, 9, 4, 2))
	}
	wide := stump()
	wide.Trees[0].Nodes[0].Threshold = math.Inf(-1)
	models = append(models, wide)
	for _, library := range []string{"lightgbm", "xgboost", "catboost"} {
		for _, o := range oracles(t, library) {
			if o.Refuse == "" {
				models = append(models, o.Model(t))
			}
		}
	}
	for _, m := range models {
		var b bytes.Buffer
		require.NoError(t, Write(&b, m))
		got, err := Read(bytes.NewReader(b.Bytes()))
		require.NoError(t, err)
		for i := range m.Trees {
			for k, n := range m.Trees[i].Nodes {
				if n.Categorical() {
					got.Trees[i].Nodes[k].Threshold = n.Threshold
				}
			}
			if len(m.Trees[i].Nodes) == 0 {
				got.Trees[i].Nodes = m.Trees[i].Nodes // nil or empty
			}
		}
		if len(m.Trees) == 0 {
			got.Trees = m.Trees
		}
		if len(m.Features) == 0 {
			got.Features = m.Features
		}
		require.Equal(t, m, got)
	}
}

func TestSavedModelRefused(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Write(&b, stump()))
	good := b.String()
	for name, c := range map[string]struct {
		old, new string
		want     error
		text     string
	}{
		"version":     {`"version":1`, `"version":2`, ErrUnsupported, "version 2"},
		"columns":     {`"left":[`, `"left":[0,`, ErrFormat, "tree 0: columns of different lengths"},
		"a cycle":     {`"left":[-1`, `"left":[0`, ErrInvalid, "tree 0"},
		"cut":         {`"leaf":`, "", ErrFormat, "attune JSON"},
		"no category": {`"left":[`, `"categorical":[true],"left":[`, ErrFormat, "fewer sets of categories"},
		"leading 0":   {`"leaf":[`, `"leaf":[01,`, ErrFormat, "at byte"},
		"plus":        {`"leaf":[`, `"leaf":[+1,`, ErrFormat, "unexpected '+'"},
		"point":       {`"leaf":[`, `"leaf":[1.,`, ErrFormat, "unexpected '1'"},
		"NaN":         {`"leaf":[`, `"leaf":[NaN,`, ErrFormat, "unexpected 'N'"},
		"too great":   {`"leaf":[`, `"leaf":[1e999,`, ErrFormat, "\"1e999\" is out of range"},
		"not whole":   {`"left":[`, `"left":[1.5,`, ErrFormat, "want a whole number, have \"1.5\""},
		"no bool":     {`"left":[`, `"default_left":[1],"left":[`, ErrFormat, "unexpected '1'"},
		"a word":      {`"left":[`, `"categories":[[4294967296]],"left":[`, ErrFormat, "want a number of 32 bits"},
		"base64":      {`"left":[`, `"missing":"?","left":[`, ErrFormat, "illegal base64"},
		"no string":   {`"outputs"`, `"link":1,"outputs"`, ErrFormat, "want a string"},
		"after it":    {"}\n", "}1", ErrFormat, "unexpected '1'"},
		"link":        {`"outputs"`, `"link":"cube","outputs"`, ErrFormat, `link "cube"`},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		require.NotEqual(t, good, text, name)
		_, err := Read(strings.NewReader(text))
		require.ErrorIs(t, err, c.want, name)
		assert.ErrorContains(t, err, c.text, name)
	}
	bad := stump()
	bad.Trees[0].Nodes[0].Left = 7
	assert.ErrorIs(t, Write(&b, bad), ErrInvalid)
}
