package pipeline_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/native"
)

// texts is TF-IDF of 10,000 terms and 300 trees of 15 splits, and texts of 30 words.
func texts(n int) (*pipeline.Model, []string) {
	const terms = 10000
	r := rand.New(rand.NewPCG(1, 2))
	words := pipeline.Words{Lower: true, Least: 2, From: 1, To: 1}
	weights, nan := make([]float64, terms), make([]pipeline.Float, terms)
	for i := range terms {
		words.Terms = append(words.Terms, fmt.Sprintf("word%dx", i))
		weights[i] = 1 + r.Float64()
		nan[i] = pipeline.Float(nanValue())
	}
	m := &tree.Model{Features: make([]tree.Feature, terms), Outputs: 1, Float32: true, Link: tree.Link{Func: tree.Sigmoid}}
	for range 300 {
		t := tree.Tree{Leaves: []tree.Leaf{{}}}
		for i := range 15 {
			n := tree.Node{Feature: r.IntN(terms), Threshold: r.Float64() / 3, DefaultLeft: r.IntN(2) == 0, Left: ^0, Right: i + 1}
			if i == 14 {
				n.Right = ^15
			}
			n.Left = ^i
			t.Nodes, t.Leaves = append(t.Nodes, n), append(t.Leaves, tree.Leaf{Value: r.NormFloat64()})
		}
		m.Trees = append(m.Trees, t)
	}
	p := &pipeline.Model{Inputs: []pipeline.Input{{Name: "text", Kind: pipeline.Text}},
		Nodes: []pipeline.Node{{Op: words}, {Op: pipeline.Arithmetic{Do: pipeline.Multiply, By: weights}, In: []int{0}}, {Op: pipeline.Normalize{Norm: "l2"}, In: []int{1}},
			{Op: pipeline.Fill{With: nan}, In: []int{2}}, {Op: pipeline.Trees{Model: m}, In: []int{3}}},
		Outputs: []pipeline.Output{{Name: "p", Node: 4}}}
	rows := make([]string, n)
	for i := range rows {
		var b strings.Builder
		for range 30 {
			fmt.Fprintf(&b, "Word%dx ", r.IntN(12000))
		}
		rows[i] = b.String()
	}
	return p, rows
}

func nanValue() float64 { zero := 0.0; return zero / zero }

// BenchmarkTexts predicts texts by TF-IDF of 10,000 terms: report texts a second.
func BenchmarkTexts(b *testing.B) {
	m, rows := texts(1000)
	p, err := pipeline.NewPredictor(m)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := p.Predict([]pipeline.Column{{Texts: rows[:n]}}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "texts/s")
		})
	}
}

// BenchmarkScaledForest predicts 1,000 rows with 200 isolation trees: the forest alone, and
// behind a scaler.
func BenchmarkScaledForest(b *testing.B) {
	const columns = 8
	r := rand.New(rand.NewPCG(3, 4))
	rows := make([]float64, 1000*columns)
	for i := range rows {
		rows[i] = r.NormFloat64()
	}
	table := make([][]float64, columns)
	for i, x := range rows {
		table[i%columns] = append(table[i%columns], x)
	}
	forest, err := native.Fit(b.Context(), engine.Dataset{Columns: table}, engine.Dataset{}, engine.Params{Method: engine.Isolation, Trees: 200}, nil)
	if err != nil {
		b.Fatal(err)
	}
	ones := make([]float64, columns)
	for i := range ones {
		ones[i] = 1
	}
	m := &pipeline.Model{Inputs: make([]pipeline.Input, columns),
		Nodes: []pipeline.Node{{Op: pipeline.Columns{At: []int{0, 1, 2, 3, 4, 5, 6, 7}}}, {Op: pipeline.Arithmetic{Do: pipeline.Subtract, By: make([]float64, columns)}, In: []int{0}},
			{Op: pipeline.Arithmetic{Do: pipeline.Divide, By: ones}, In: []int{1}}, {Op: pipeline.Trees{Model: forest}, In: []int{2}}},
		Outputs: []pipeline.Output{{Name: "score", Node: 3}}}
	scaled, err := pipeline.NewPredictor(m)
	if err != nil {
		b.Fatal(err)
	}
	alone, err := tree.NewPredictor(forest)
	if err != nil {
		b.Fatal(err)
	}
	out := make([]float64, 1000)
	for name, predict := range map[string]func(rows, out []float64) error{"alone": alone.Predict, "scaled": scaled.PredictRows} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := predict(rows, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
