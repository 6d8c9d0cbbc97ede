package onnx_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"time"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

func ExampleTrees() {
	ensemble := &tree.Model{
		Features: []tree.Feature{{Name: "temperature"}, {Name: "wind"}},
		Outputs:  1,
		Trees: []tree.Tree{{
			Nodes:  []tree.Node{{Feature: 0, Threshold: 20, Left: ^0, Right: ^1}},
			Leaves: []tree.Leaf{{Value: 1.5}, {Value: 3}},
		}},
	}
	m, err := onnx.Trees(ensemble, onnx.TreesOptions{Units: []string{"°C", "m/s"}})
	if err != nil {
		log.Fatal(err)
	}
	var file bytes.Buffer
	if err := m.Write(&file); err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Graph.Inputs[0].Name, m.Graph.Inputs[0].Type, m.Graph.Inputs[0].Dims)
	fmt.Println(m.Graph.Outputs[0].Name, m.Graph.Outputs[0].Type, m.Graph.Outputs[0].Dims)
	fmt.Println(file.Len() > 0, m.Metadata)
	// Output:
	// rows DOUBLE [batch 2]
	// predictions DOUBLE [batch 1]
	// true [{attune.form exact} {attune.features ["temperature","wind"]} {attune.units ["°C","m/s"]}]
}

func ExampleForecaster() {
	series := forecast.Series{Start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Freq: forecast.Frequency{N: 1, Unit: forecast.Month}}
	for i := range 60 {
		series.Y = append(series.Y, float64(100+2*i+i%12))
	}
	frame := forecast.Frame{series}
	model := &forecast.Tabular{
		Recipe: forecast.Recipe{Transform: forecast.Chain{forecast.Log{}, forecast.Diff{Lag: 12}}, Strategy: forecast.Joint},
		New:    func() forecast.Regressor { return &forecast.Ridge{Lambda: 1} },
	}
	if err := model.Fit(context.Background(), frame, forecast.FitOptions{Horizon: 6}); err != nil {
		log.Fatal(err)
	}
	m, err := onnx.Forecaster(model, onnx.ForecasterOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range append(m.Graph.Inputs, m.Graph.Outputs...) {
		fmt.Println(v.Name, v.Type, v.Dims)
	}
	inputs, err := onnx.ForecastInputs(model, frame) // what the program that runs it makes itself
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(inputs[0])
	// Output:
	// window DOUBLE [batch 24]
	// calendar DOUBLE [batch 6 1]
	// forecast DOUBLE [batch 6]
	// window float64 [1 24]
}

// A graph of one's own: a scaler before a tree ensemble, and its output scaled back.
func ExampleBuilder() {
	ensemble := &tree.Model{Features: make([]tree.Feature, 2), Outputs: 1, Base: []float64{0.5}}
	b := onnx.NewBuilder(onnx.Exact)
	rows := b.Input("rows", onnx.Float64, onnx.Batch, onnx.Dim{Size: 2})
	scaled := b.Scale(rows, []float64{10, 20}, []float64{2, 5})
	b.Output("watts", b.Unscale(b.Trees(ensemble, scaled), []float64{100}, []float64{50}))
	m, err := b.Model(onnx.Info{Name: "power"})
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range m.Graph.Nodes {
		fmt.Println(n.Op, n.Inputs, n.Outputs)
	}
	// Output:
	// Sub [rows const_1] [sub_1]
	// Div [sub_1 const_2] [div_1]
	// TreeEnsemble [div_1] [treeensemble_1]
	// Mul [treeensemble_1 const_3] [mul_1]
	// Add [mul_1 const_4] [watts]
}

func ExampleTrialMetadata() {
	study := trial.Header{Name: "load"}
	best := trial.Record{Number: 7, State: trial.Complete, Values: []float64{0.25}, Params: space.Params{
		Space: space.Of(space.Float("lr", 1e-5, 1e-1, space.Log()), space.Categorical("booster", "gbdt", "dart")),
		Point: []float64{0.001, 1},
	}}
	for _, p := range onnx.TrialMetadata(study, best) {
		fmt.Println(p.Key, p.Value)
	}
	// Output:
	// attune.study load
	// attune.trial 7
	// attune.value 0.25
	// attune.param.lr 0.001
	// attune.param.booster dart
}

func ExampleDecode() {
	m := &onnx.Model{IR: 8, Opsets: []onnx.Opset{{Domain: onnx.Standard, Version: 17}}, Graph: onnx.Graph{
		Name:         "double",
		Nodes:        []onnx.Node{{Op: "Mul", Inputs: []string{"x", "two"}, Outputs: []string{"y"}}},
		Initializers: []onnx.Tensor{onnx.Scalar("two", float32(2))},
		Inputs:       []onnx.ValueInfo{{Name: "x", Type: onnx.Float32, Dims: onnx.Fixed(3)}},
		Outputs:      []onnx.ValueInfo{{Name: "y", Type: onnx.Float32, Dims: onnx.Fixed(4)}},
	}}
	file, err := m.Encode()
	if err != nil {
		log.Fatal(err)
	}
	again, err := onnx.Decode(file)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(file), again.Graph.Nodes[0].Op)
	fmt.Println(again.Check())
	// Output:
	// 85 Mul
	// onnx: check: invalid model: output 0 ("y"): dimensions are declared to be [4], and are [3]
}

func ExampleNewTensor() {
	t := onnx.NewTensor("w", []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	v, err := onnx.Values[float32](t)
	fmt.Println(t.Type, t.Dims, v, err)
	// Output: FLOAT [2 3] [1 2 3 4 5 6] <nil>
}
