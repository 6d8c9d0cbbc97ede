package tree_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/internal/leavespredict"
)

// A written is an oracle's model that LightGBM's text format can express, and the text.
type written struct {
	name  string
	model *tree.Model
	rows  []float64
	text  string
}

// refused gives the reason why an oracle cannot be written. XGBoost chooses the side of
// missing categories, so whether its models are refused depends on the version.
var refused = map[string]string{
	"categorical":  "missing values of a categorical split",
	"one-hot":      "missing values of a categorical split",
	"binary:hinge": "link step",
}

func writable(t *testing.T) []written {
	t.Helper()
	var all []written
	for _, o := range tree.Oracles(t, "") {
		if o.Refuse != "" {
			continue
		}
		m := o.Model(t)
		var text bytes.Buffer
		err := tree.WriteLightGBM(&text, m)
		if why := refused[o.Name]; why != "" && err != nil {
			require.ErrorIs(t, err, tree.ErrUnsupported, o.Name)
			require.ErrorContains(t, err, why, o.Name)
			continue
		}
		require.NoError(t, err, o.Name)
		all = append(all, written{o.Library() + "/" + o.Name, m, o.Rows, text.String()})
	}
	return all
}

// rowsOf adds rows to those of the oracle: random ones, and some for which rounding to
// float32 decides.
func (w written) rowsOf() []float64 {
	r := rand.New(rand.NewPCG(1, 2))
	rows := append([]float64(nil), w.rows...)
	f := len(w.model.Features)
	for range 200 {
		row := make([]float64, f)
		for i := range row {
			row[i] = r.NormFloat64() * 3
			if w.model.Features[i].Kind == tree.Categorical {
				row[i] = float64(r.IntN(50) - 3)
			}
		}
		for range 2 {
			t := w.model.Trees[r.IntN(len(w.model.Trees))]
			if len(t.Nodes) == 0 {
				continue
			}
			if n := t.Nodes[r.IntN(len(t.Nodes))]; !n.Categorical() && math.Abs(n.Threshold) > tree.ZeroRange {
				up := float64(math.Nextafter32(float32(n.Threshold), float32(math.Inf(1))))
				mid := n.Threshold/2 + up/2
				row[n.Feature] = []float64{
					n.Threshold, up, mid, math.Nextafter(mid, math.Inf(1)), math.Nextafter(mid, math.Inf(-1)),
					math.Nextafter(n.Threshold, math.Inf(1)), math.NaN(),
				}[r.IntN(7)]
			}
		}
		rows = append(rows, row...)
	}
	return rows
}

func raw(t *testing.T, m *tree.Model, rows []float64) []float64 {
	t.Helper()
	p, err := tree.NewPredictor(m)
	require.NoError(t, err)
	out := make([]float64, len(rows)/len(m.Features)*m.Outputs)
	require.NoError(t, p.PredictRaw(rows, out))
	return out
}

// A model that is written and read again predicts the same bits, including on rows that
// float32 rounds.
func TestWrittenModelReadsBack(t *testing.T) {
	for _, w := range writable(t) {
		t.Run(w.name, func(t *testing.T) {
			m, err := tree.ReadLightGBM(strings.NewReader(w.text))
			require.NoError(t, err)
			rows := w.rowsOf()
			if w.model.Float32 && hasCategories(w.model) {
				rows = w.rows
			}
			tree.SameBits(t, raw(t, w.model, rows), raw(t, m, rows))
			assert.Equal(t, w.model.Link.Func, m.Link.Func)
			for i, f := range m.Importance() {
				was := w.model.Importance()[i]
				assert.Equal(t, was.Splits, f.Splits)
				assert.InDelta(t, was.Gain, f.Gain, 1e-9*was.Gain)
			}

			var again bytes.Buffer
			require.NoError(t, tree.WriteLightGBM(&again, m))
			assert.True(t, w.text == again.String(), "a second copy differs from the first")
		})
	}
}

func hasCategories(m *tree.Model) bool {
	for _, t := range m.Trees {
		for i := range t.Nodes {
			if t.Nodes[i].Categorical() {
				return true
			}
		}
	}
	return false
}

// The independent implementation leaves gives the same bits.
func TestLeavesPredictsTheSameBits(t *testing.T) {
	for _, o := range tree.Oracles(t, "") {
		if o.Refuse != "" {
			continue
		}
		t.Run(o.Library()+"/"+o.Name, func(t *testing.T) {
			m := o.Model(t)
			p, err := leavespredict.New(m, 0)
			if strings.Contains(o.Name, "linear_tree") {
				require.ErrorIs(t, err, tree.ErrUnsupported)
				require.ErrorContains(t, err, "linear")
				return
			}
			if why := refused[o.Name]; why != "" && err != nil {
				require.ErrorContains(t, err, why)
				return
			}
			require.NoError(t, err)
			rows := written{model: m, rows: o.Rows}.rowsOf()
			if m.Float32 && hasCategories(m) {
				rows = o.Rows
			}
			got := make([]float64, len(rows)/len(m.Features)*m.Outputs)
			require.NoError(t, p.PredictRaw(rows, got))
			tree.SameBits(t, raw(t, m, rows), got)
		})
	}
}

// Real LightGBM loads written models and gives the same bits.
func TestLightGBMLoadsWhatIsWritten(t *testing.T) {
	python := os.Getenv("ATTUNE_PYTHON")
	if python == "" {
		t.Skip("set ATTUNE_PYTHON to a python that has lightgbm to run this test")
	}
	dir := t.TempDir()
	all := writable(t)
	for i, w := range all {
		all[i].rows = w.rowsOf()
		if w.model.Float32 && hasCategories(w.model) {
			all[i].rows = w.rows
		}
		stem := filepath.Join(dir, strconv.Itoa(i))
		require.NoError(t, os.WriteFile(stem+".txt", []byte(w.text), 0o666))
		var b bytes.Buffer
		require.NoError(t, binary.Write(&b, binary.LittleEndian, all[i].rows))
		require.NoError(t, os.WriteFile(stem+".rows", b.Bytes(), 0o666))
	}
	out, err := exec.Command(python, "testdata/predict.py", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("LightGBM %s, %d models", bytes.TrimSpace(out), len(all))
	for i, w := range all {
		t.Run(w.name, func(t *testing.T) {
			answer := func(ext string) []float64 {
				b, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i)+ext))
				require.NoError(t, err)
				x := make([]float64, len(b)/8)
				require.NoError(t, binary.Read(bytes.NewReader(b), binary.LittleEndian, x))
				return x
			}
			want := raw(t, w.model, w.rows)
			got := answer(".raw")
			if w.model.Average {
				for i := range got {
					got[i] /= float64(len(w.model.Trees) / w.model.Outputs)
				}
			}
			tree.SameBits(t, want, got)
			p, err := tree.NewPredictor(w.model)
			require.NoError(t, err)
			require.NoError(t, p.Predict(w.rows, want))
			for j, v := range answer(".pred") {
				require.InDelta(t, v, want[j], 1e-12*max(1, math.Abs(v)))
			}
		})
	}
}
