package pipeline_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/foreign"
	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/tree"
)

// A kept case is a model as joblib.dump left it, a table, and what it predicted.
type kept struct {
	Name    string
	File    []byte
	Columns []struct {
		Name    string
		Numbers foreign.Floats
		Texts   []string
	}
	Outputs map[string]json.RawMessage
}

func readKept(t testing.TB, file string) []kept {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var doc struct{ Cases []kept }
	require.NoError(t, json.NewDecoder(z).Decode(&doc))
	require.NotEmpty(t, doc.Cases)
	return doc.Cases
}

// readAll returns the cases of all files.
func readAll(t testing.TB) []kept {
	return slices.Concat(readKept(t, "testdata/pipelines.json.gz"), readKept(t, "testdata/texts.json.gz"), readKept(t, "testdata/tokens.json.gz"), readKept(t, "testdata/hashes.json.gz"), readKept(t, "testdata/versions.json.gz"), readKept(t, "testdata/kinds.json.gz"), readKept(t, "testdata/nests.json.gz"), readKept(t, "testdata/vectors.json.gz"))
}

// table returns the columns that a model takes: those with the names of its inputs, or all.
func (k kept) table(m *pipeline.Model) []pipeline.Column {
	out := make([]pipeline.Column, 0, len(k.Columns))
	for i, c := range k.Columns {
		if len(m.Inputs) == len(k.Columns) || slices.ContainsFunc(m.Inputs, func(in pipeline.Input) bool { return in.Name == k.Columns[i].Name }) {
			out = append(out, pipeline.Column{Numbers: c.Numbers, Texts: c.Texts})
		}
	}
	return out
}

// TestPipelines reads files of scikit-learn and the libraries, and predicts what they predicted.
func TestPipelines(t *testing.T) {
	old := slices.Concat(readKept(t, "testdata/pipelines-1.0.2.json.gz"), readKept(t, "testdata/texts-1.0.2.json.gz"), readKept(t, "testdata/kinds-0.24.2.json.gz"))
	for _, k := range append(readAll(t), old...) {
		t.Run(k.Name, func(t *testing.T) {
			m, from, err := pipeline.Read(bytes.NewReader(k.File))
			require.NoError(t, err)
			assert.NotEmpty(t, from.Format)
			table := k.table(m)
			require.Len(t, table, len(m.Inputs))
			for i, in := range m.Inputs {
				if len(m.Inputs) == len(k.Columns) && strings.HasPrefix(k.Columns[0].Name, "w") { // a data frame
					assert.Equal(t, k.Columns[i].Name, in.Name)
				}
				assert.Equal(t, table[i].Texts != nil, in.Kind == pipeline.Text, in.Name)
			}
			p, err := pipeline.NewPredictor(m)
			require.NoError(t, err)
			got, err := p.Predict(k.table(m))
			require.NoError(t, err)
			found := 0
			for i, o := range m.Outputs {
				want, ok := k.Outputs[o.Name]
				if !ok && o.Name == "scores" { // the model has them, and scikit-learn no name for them
					continue
				}
				require.True(t, ok, o.Name)
				found++
				if o.Labels != nil {
					sameLabels(t, want, o.Labels, got[i])
					continue
				}
				var numbers foreign.Floats
				require.NoError(t, json.Unmarshal(want, &numbers))
				eps := 1e-9
				if strings.Contains(k.Name, "XGB") || strings.Contains(k.Name, "dict") || strings.Contains(k.Name, "labels") || strings.Contains(k.Name, "Pipeline") {
					eps = 2e-6
				}
				require.Len(t, got[i], len(numbers), o.Name)
				for j, y := range numbers {
					if math.IsNaN(y) {
						assert.True(t, math.IsNaN(got[i][j]), "%s, value %d", o.Name, j)
						continue
					}
					require.InDelta(t, y, got[i][j], eps*max(1, math.Abs(y)), "%s, value %d", o.Name, j)
				}
			}
			assert.Equal(t, len(k.Outputs), found)
		})
	}
}

func sameLabels(t *testing.T, want json.RawMessage, l *pipeline.Labels, got []float64) {
	t.Helper()
	var all []any
	require.NoError(t, json.Unmarshal(want, &all))
	require.Len(t, got, len(all))
	for i, w := range all {
		var have any
		if at := int(got[i]); l.Texts != nil {
			have = l.Texts[at]
		} else {
			have = float64(l.Numbers[at])
		}
		if b, ok := w.(bool); ok {
			w = map[bool]float64{false: 0, true: 1}[b]
		}
		assert.Equal(t, w, have, "row %d", i)
	}
}

// A model that is written reads back the same, and predicts the same.
func TestWrite(t *testing.T) {
	for _, k := range readAll(t) {
		m, _, err := pipeline.Read(bytes.NewReader(k.File))
		require.NoError(t, err, k.Name)
		var first, again bytes.Buffer
		require.NoError(t, pipeline.Write(&first, m))
		back, from, err := pipeline.Read(bytes.NewReader(first.Bytes()))
		require.NoError(t, err, k.Name)
		require.NoError(t, pipeline.Write(&again, back))
		assert.Equal(t, first.String(), again.String(), k.Name)
		if _, trees := m.Trees(); !trees {
			assert.Equal(t, "attune JSON", from.Format)
		}
		var answers [2][][]float64
		for i, m := range []*pipeline.Model{m, back} {
			p, err := pipeline.NewPredictor(m)
			require.NoError(t, err)
			answers[i], err = p.Predict(k.table(m))
			require.NoError(t, err)
		}
		assert.Equal(t, answers[0], answers[1], k.Name)
	}
}

// An estimator of XGBoost with a number for missing values is more than a tree ensemble.
func TestMissingNumber(t *testing.T) {
	for _, k := range readKept(t, "testdata/pipelines.json.gz") {
		if k.Name == "XGBRegressor with missing" {
			_, err := tree.Read(bytes.NewReader(k.File))
			require.ErrorIs(t, err, tree.ErrUnsupported)
			assert.ErrorContains(t, err, "XGBRegressor with missing=-999: read it with package pipeline")
			return
		}
	}
	t.Fatal("there is no such case")
}

// A file that is not a pickle holds only a tree ensemble.
func TestEnsembleAlone(t *testing.T) {
	for _, c := range foreign.Read(t, "../tree/testdata/estimators/objectives.json.gz") {
		for kind, file := range c.Files {
			data, err := base64.StdEncoding.DecodeString(file)
			require.NoError(t, err)
			m, from, err := pipeline.Read(bytes.NewReader(data))
			require.NoError(t, err, c.Name)
			require.NoError(t, m.Validate(), c.Name)
			trees, ok := m.Trees()
			require.True(t, ok, "%s %s", c.Name, kind)
			assert.Equal(t, from.Taken, from.Trees)
			assert.Len(t, m.Inputs, len(trees.Features))
			p, err := pipeline.NewPredictor(m)
			require.NoError(t, err)
			out := make([]float64, len(c.Pred))
			require.NoError(t, p.PredictRows(c.Rows, out))
		}
	}
}

// A step that cannot be represented is refused: the error has the path of the step, and says what to do.
func TestRefused(t *testing.T) {
	f, err := os.Open("testdata/hashes.json.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var doc struct {
		Refused []struct {
			Name string // what the error has
			File []byte
		}
	}
	require.NoError(t, json.NewDecoder(z).Decode(&doc))
	require.NotEmpty(t, doc.Refused)
	for _, r := range doc.Refused {
		_, _, err := pipeline.Read(bytes.NewReader(r.File))
		require.ErrorIs(t, err, pipeline.ErrUnsupported, r.Name)
		assert.ErrorContains(t, err, r.Name)
	}
}

// An encoder that raises an error for an unknown category is named with its path.
func TestStrict(t *testing.T) {
	for _, k := range readKept(t, "testdata/pipelines.json.gz") {
		if k.Name == "OneHotEncoder of a mixed table" {
			_, from, err := pipeline.Read(bytes.NewReader(k.File))
			require.NoError(t, err)
			assert.Equal(t, []string{`step "columntransformer" of the Pipeline: step "all" of the ColumnTransformer: OneHotEncoder`}, from.Strict)
			return
		}
	}
	t.Fatal("there is no such case")
}

// A class of one's own is named with its path, and with what can be done. Nothing executes it.
func TestUnknownClass(t *testing.T) {
	const steps = "csklearn.pipeline\nPipeline\n)\x81}(S'steps'\n((S'odd'\nc%s\n)\x81t(S'model'\ncsklearn.linear_model._base\nLinearRegression\n)\x81tlub."
	for name, c := range map[string]struct{ file, says string }{
		"in the middle": {fmt.Sprintf(steps, "__main__\nMine"), `step "odd" of the Pipeline: __main__.Mine is not among the steps that are read: leave it out of the pipeline`},
		"the system":    {fmt.Sprintf(steps, "os\nsystem"), `step "odd" of the Pipeline: os.system is not among the steps that are read`},
		"alone":         {"c__main__\nMine\n)\x81.", "__main__.Mine is not among the supported classes and functions: save the model without it"},
		"a setting":     {"csklearn.linear_model._base\nLinearRegression\n)\x81}(S'mine'\nc__main__\nMine\n)\x81ub.", "__main__.Mine is not among the supported classes and functions: save the model without it"},
	} {
		_, _, err := pipeline.Read(strings.NewReader(c.file))
		require.ErrorIs(t, err, pipeline.ErrUnsupported, name)
		assert.ErrorContains(t, err, c.says, name)
	}
}

// A small file whose steps are one object, named 100,000 times, is refused before it fills the
// memory: it would take 3 GB.
func TestAgainAndAgain(t *testing.T) {
	data, err := os.ReadFile("testdata/again.joblib.gz")
	require.NoError(t, err)
	_, _, err = pipeline.Read(bytes.NewReader(data))
	require.ErrorIs(t, err, pipeline.ErrUnsupported)
	assert.ErrorContains(t, err, "as a step that occurs again and again would make it")
}

// Damaged files are refused or make another model that holds together.
func TestDamaged(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, k := range readAll(t) {
		times := 40
		if strings.Contains(k.Name, ": ") { // of the many in kinds.json.gz
			times = 2
		}
		for range times {
			damaged := bytes.Clone(k.File)
			for range 1 + r.IntN(3) {
				damaged[r.IntN(len(damaged))] ^= byte(1 + r.IntN(255))
			}
			if m, _, err := pipeline.Read(bytes.NewReader(damaged)); err == nil {
				require.NoError(t, m.Validate())
			}
		}
		_, _, err := pipeline.Read(bytes.NewReader(k.File[:len(k.File)/2]))
		require.Error(t, err)
	}
}

// A subtraction and a division in one pass give what the two give one after the other.
func TestScaledAtOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	shift, scale := make([]float64, 5), make([]float64, 5)
	var rows []float64
	for i := range shift {
		shift[i], scale[i] = r.NormFloat64(), r.ExpFloat64()
	}
	for range 5 * 1500 { // more than a block
		rows = append(rows, r.NormFloat64())
	}
	rows[7] = math.NaN()
	m := &pipeline.Model{Inputs: make([]pipeline.Input, 5), Nodes: []pipeline.Node{{Op: pipeline.Columns{At: []int{0, 1, 2, 3, 4}}},
		{Op: pipeline.Arithmetic{Do: pipeline.Subtract, By: shift}, In: []int{0}}, {Op: pipeline.Arithmetic{Do: pipeline.Divide, By: scale}, In: []int{1}}},
		Outputs: []pipeline.Output{{Name: "scaled", Node: 2}}}
	predict := func() []float64 {
		p, err := pipeline.NewPredictor(m)
		require.NoError(t, err)
		out := make([]float64, len(rows)*len(m.Outputs))
		require.NoError(t, p.PredictRows(rows, out))
		return out
	}
	once := predict()
	m.Outputs = append(m.Outputs, pipeline.Output{Name: "shifted", Node: 1})
	both := predict()
	for i, x := range once {
		want := both[i/5*10+i%5]
		require.True(t, x == want || x != x && want != want, "%d: %v, want %v", i, x, want)
		require.True(t, x != x || x == (rows[i]-shift[i%5])/scale[i%5])
	}
}

func TestPredictRefuses(t *testing.T) {
	m := &pipeline.Model{Inputs: []pipeline.Input{{Name: "a"}, {Name: "b", Kind: pipeline.Text}},
		Nodes:   []pipeline.Node{{Op: pipeline.Columns{At: []int{0}}}},
		Outputs: []pipeline.Output{{Name: "same"}}}
	p, err := pipeline.NewPredictor(m)
	require.NoError(t, err)
	for name, columns := range map[string][]pipeline.Column{
		"too few": {{Numbers: []float64{1}}},
		"kind":    {{Texts: []string{"1"}}, {Texts: []string{"x"}}},
		"lengths": {{Numbers: []float64{1, 2}}, {Texts: []string{"x"}}},
	} {
		_, err := p.Predict(columns)
		assert.ErrorIs(t, err, pipeline.ErrInput, name)
	}
	out, err := p.Predict([]pipeline.Column{{Numbers: []float64{1, math.NaN()}}, {Texts: []string{"x", ""}}})
	require.NoError(t, err)
	assert.Equal(t, 1.0, out[0][0])
	out, err = p.Predict([]pipeline.Column{{}, {}})
	require.NoError(t, err)
	assert.Empty(t, out[0])
	assert.ErrorIs(t, p.PredictRows([]float64{1}, make([]float64, 1)), pipeline.ErrInput)
}

func TestValidate(t *testing.T) {
	base := func() *pipeline.Model {
		return &pipeline.Model{Inputs: []pipeline.Input{{Name: "a"}, {Name: "b", Kind: pipeline.Text}},
			Nodes:   []pipeline.Node{{Op: pipeline.Columns{At: []int{0}}}, {Op: pipeline.Complement{}, In: []int{0}}},
			Outputs: []pipeline.Output{{Name: "p", Node: 1}}}
	}
	require.NoError(t, base().Validate())
	words := func(op pipeline.Words) func(m *pipeline.Model) {
		return func(m *pipeline.Model) { m.Nodes[0].Op = op }
	}
	for name, c := range map[string]struct {
		change func(m *pipeline.Model)
		want   string
	}{
		"order":       {func(m *pipeline.Model) { m.Nodes[1].In[0] = 1 }, "node 1 takes node 1, which is not before it"},
		"text":        {func(m *pipeline.Model) { m.Nodes[0].Op = pipeline.Columns{At: []int{1}} }, "column 1 is not among the 2, or is not a number"},
		"no output":   {func(m *pipeline.Model) { m.Outputs = nil }, "it has no output"},
		"output":      {func(m *pipeline.Model) { m.Outputs[0].Node = 7 }, "is node 7 of 2"},
		"name":        {func(m *pipeline.Model) { m.Outputs = append(m.Outputs, m.Outputs[0]) }, "the name is empty or taken"},
		"labels":      {func(m *pipeline.Model) { m.Outputs[0].Labels = &pipeline.Labels{Texts: []string{"x"}} }, "labels are texts or numbers"},
		"width":       {func(m *pipeline.Model) { m.Nodes[1].Op = pipeline.Arithmetic{Do: pipeline.Add, By: []float64{1, 2}} }, "settings for 2 numbers of 1"},
		"class":       {words(pipeline.Words{Column: 1, Least: 1, From: 1, To: 1, Of: "[a"}), `characters of words "[a": want \S, or ASCII characters`},
		"skipped":     {words(pipeline.Words{Column: 1, Least: 1, From: 1, To: 2, Skip: []string{"a b"}}), `skipped word "a b" is empty, of several words, or there twice`},
		"strip":       {words(pipeline.Words{Column: 1, Least: 1, From: 1, To: 1, Strip: "all"}), `strip "all": want "unicode" or "ascii"`},
		"buckets":     {words(pipeline.Words{Column: 1, Least: 1, From: 1, To: 1, Hashed: &pipeline.Hashed{Buckets: 2}, Terms: []string{"a"}}), "1 terms and 2 buckets: want terms, or 1 to 1048576 buckets"},
		"no operator": {func(m *pipeline.Model) { m.Nodes[1].Op = nil }, "node 1 has no operator"},
	} {
		m := base()
		c.change(m)
		err := m.Validate()
		require.ErrorIs(t, err, pipeline.ErrInvalid, name)
		assert.ErrorContains(t, err, c.want, name)
	}
}

// A model reports the values at which it changes: its thresholds, in the units of the column.
func TestTelling(t *testing.T) {
	m := &pipeline.Model{Inputs: []pipeline.Input{{Name: "a"}, {Name: "b"}},
		Nodes: []pipeline.Node{{Op: pipeline.Columns{At: []int{1}}}, {Op: pipeline.Arithmetic{Do: pipeline.Subtract, By: []float64{10}}, In: []int{0}},
			{Op: pipeline.Arithmetic{Do: pipeline.Divide, By: []float64{4}}, In: []int{1}}, {Op: pipeline.OneHot{Categories: [][]pipeline.Float{{2, 3}}}, In: []int{2}}},
		Outputs: []pipeline.Output{{Name: "is", Node: 3}}}
	assert.Equal(t, [][]float64{nil, {18, 22}}, m.Telling())
}
