package neural_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
	"github.com/attune-hpo/attune/space"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func passengers() forecast.Frame {
	return must(forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv"))
}

// A small convolutional network and the linear baseline, compared with the seasonal naive
// forecast on the last year.
func Example() {
	ctx := context.Background()
	back := must(forecast.NewBacktest(passengers(), forecast.Splits{Horizon: 12}, forecast.MAPE))
	seen := neural.Training{Window: 24, Transform: forecast.Log{}, Epochs: 60, LearningRate: 5e-3, Batch: 16}
	tcn := neural.New(neural.TCN{Training: seen, Channels: []int{16, 16, 16}})
	linear := neural.NewLinear(neural.NLinear{Window: 24, Transform: forecast.Log{}})

	naive := must(back.Run(ctx, "seasonal naive", forecast.SeasonalNaive(12), forecast.RunOptions{})).Scores[0]
	fmt.Printf("seasonal naive: MAPE %.1f\n", naive)
	for name, model := range map[string]forecast.Forecaster{"tcn": tcn, "nlinear": linear} {
		score := must(back.Run(ctx, name, model, forecast.RunOptions{Fit: forecast.FitOptions{Seed: 1}})).Scores[0]
		fmt.Println(name, "is better:", score < naive)
	}
	// Unordered output:
	// seasonal naive: MAPE 10.0
	// tcn is better: true
	// nlinear is better: true
}

// A family makes forecasters from settings by name, as a study draws them.
func ExampleLSTM() {
	family := neural.LSTM{
		Training: neural.Training{Transform: forecast.Log{}, Epochs: 20}, // unless the settings override them
		Quick:    true,
		Search:   space.Of(space.Int("window", 12, 36, space.Step(12))),
	}
	for _, a := range family.Space(passengers()) {
		fmt.Println(a.Name, space.Describe(a.Distribution))
	}
	model := must(family.New(space.Settings{{Name: "window", Value: "24"}, {Name: "hidden_size", Value: "16"}}))
	fmt.Println(model)
	_, err := family.New(space.Settings{{Name: "hidden_size", Value: "many"}})
	fmt.Println(err)
	// Output:
	// transform one of [none diff diff 12 log log,diff log,diff 12]
	// hidden_size int [8, 64] log
	// num_layers int [1, 2]
	// dropout float [0, 0.3]
	// window int [12, 36] step 12
	// shortcut one of [false true]
	// learning_rate float [0.001, 0.01] log
	// batch_size int [16, 32] log
	// epochs int [20, 60]
	// lstm
	// neural: lstm: hidden_size is many: want a whole number from 1
}

func ExampleNew() {
	ctx := context.Background()
	model := neural.New(neural.Transformer{
		Training: neural.Training{Window: 12, Transform: forecast.Log{}, Epochs: 3},
		Width:    16, Heads: 2, EncoderLayers: 1,
	})
	err := model.Fit(ctx, passengers(), forecast.FitOptions{Horizon: 6, Holdout: 12, OnIteration: func(it forecast.Iteration) error {
		fmt.Println("epoch", it.Round)
		return nil
	}})
	if err != nil {
		panic(err)
	}
	var file bytes.Buffer
	if err := model.Save(&file); err != nil {
		panic(err)
	}
	var again neural.Forecaster // takes any model from the file
	if err := again.Load(&file); err != nil {
		panic(err)
	}
	next := must(again.Predict(ctx, passengers(), 6))
	fmt.Println(next[0].Start.Format("2006-01"), next[0].Len(), again.Tensors()[0].Name)
	// Output:
	// epoch 0
	// epoch 1
	// epoch 2
	// 1961-01 6 embed.weight
}

func ExampleNewLinear() {
	model := neural.NewLinear(neural.NLinear{Window: 24, Transform: forecast.Log{}})
	if err := model.Fit(context.Background(), passengers(), forecast.FitOptions{Horizon: 2}); err != nil {
		panic(err)
	}
	next := must(model.Predict(context.Background(), passengers(), 2))
	fmt.Printf("%.0f\n", next[0].Y)
	// Output:
	// [452 424]
}

func ExampleTCN() {
	model := must(neural.TCN{}.New(space.Settings{{Name: "channels", Value: `"16-16"`}, {Name: "kernel_size", Value: "2"}}))
	fmt.Println(model.(*neural.Forecaster).Model().(neural.TCN).Channels)
	// Output:
	// [16 16]
}

func ExampleTransformer() {
	_, err := neural.Transformer{}.New(space.Settings{{Name: "d_model", Value: "100"}, {Name: "num_heads", Value: "8"}})
	fmt.Println(err)
	// Output:
	// neural: transformer: num_heads 8: not a possible setting: want a divisor of d_model, 100
}
