package table_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/attune-hpo/attune/objective/table"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

// Boosting with XGBoost's style, on the disease progression of 442 people.
func Example() {
	ctx := context.Background()
	data := must(table.CSV{Target: "progression"}.ReadFile("testdata/diabetes.csv"))
	task := &table.Task{Table: data, Style: style.XGBoost, Metric: table.MAE}
	st := must(study.Open(ctx, new(memory.Store), "diabetes", task.Config(tpe.New(tpe.Config{}), pruner.Median{})))
	defer st.Close()
	if err := task.Optimize(ctx, st, study.Run{Trials: 15}); err != nil {
		fmt.Println(err)
		return
	}
	best := must(task.Best(ctx, st))
	fmt.Printf("%s %.0f\n", best.Metric, best.Value)
	fmt.Println(best.Importance()[0].Name, best.Importance()[1].Name)
	p := must(best.PredictTexts([][]string{{"50", "1", "22", "90", "180", "100", "50", "4", "4.5", "88"}}))
	fmt.Println(p.Values[0] > 50 && p.Values[0] < 150)
	// Output:
	// mae 45
	// s5 bmi
	// true
}

// A random forest predicts classes.
func ExampleModel_Predict() {
	data := must(table.CSV{Target: "species"}.ReadFile("testdata/iris.csv"))
	task := &table.Task{Table: data, Style: style.RandomForest}
	m := must(task.Fit(context.Background(), nil, 1))
	p := must(m.Predict([][]float64{{5.1, 3.5, 1.4, 0.2}, {6.5, 3, 5.5, 2}}))
	fmt.Println(m.Classes)
	for i, class := range p.Classes {
		fmt.Printf("%s %.1f\n", class, p.Probabilities[i])
	}
	// Output:
	// [setosa versicolor virginica]
	// setosa [1.0 0.0 0.0]
	// virginica [0.0 0.0 1.0]
}

// An isolation forest learns without labels. If there are labels, they judge it.
func ExampleTask_anomalies() {
	ctx := context.Background()
	data := must(table.CSV{Target: "diagnosis", Positive: "malignant"}.ReadFile("testdata/breast_cancer.csv"))
	task := &table.Task{Table: data, Style: style.IsolationForest, Metric: table.AUC}
	st := must(study.Open(ctx, new(memory.Store), "anomalies", task.Config(tpe.New(tpe.Config{}), nil)))
	defer st.Close()
	if err := task.Optimize(ctx, st, study.Run{Trials: 3}); err != nil {
		fmt.Println(err)
		return
	}
	m := must(task.Best(ctx, st))
	p := must(m.Predict(data.Features()[:1]))
	fmt.Println(m.Value > 0.8, p.Values[0] > 0.5)
	// Output: true true
}

func ExampleCSV() {
	_, err := table.CSV{Target: "price"}.Read(strings.NewReader("area,price\n10,5\n20,6\nbig,7\n"))
	fmt.Println(err)
	data := must(table.CSV{Target: "price", Ignore: []string{"id"}}.Read(strings.NewReader(
		"id,area,heat,price\n1,10,gas,5\n2,,oil,6\n3,30,gas,7\n")))
	fmt.Println(data.Columns[0].Values, data.Columns[1].Categories, data.Columns[1].Values)
	// Output:
	// table: csv: line 4: column "area": "big": not a finite number, unlike most of the column: list it with table.CSV.NA if it means a missing value, or read the column as categories with table.CSV.Categorical
	// [10 NaN 30] [gas oil] [0 1 0]
}

func ExampleSplits() {
	data := table.Table{
		Columns: []table.Column{{Name: "x", Values: []float64{1, 2, 3, 4, 5, 6}}},
		Target:  table.Column{Name: "y", Values: []float64{1, 4, 9, 16, 25, 36}},
	}
	for _, f := range must(table.Splits{Folds: 2, Ordered: true}.Split(data)) {
		fmt.Println(f.Train, f.Valid)
	}
	// Output:
	// [0 1] [2 3]
	// [0 1 2 3] [4 5]
}

func ExampleMetric() {
	fmt.Printf("%.3f\n", table.AUC.Score([]float64{0, 1, 0, 1}, []float64{0.1, 0.4, 0.4, 0.8}, nil))
	fmt.Printf("%.3f\n", table.Pinball(0.9).Score([]float64{10, 20}, []float64{12, 15}, []float64{3, 1}))
	// Output:
	// 0.875
	// 1.275
}
