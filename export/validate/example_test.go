package validate_test

import (
	"fmt"

	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/validate"
)

func ExampleGate_Compare() {
	native := runtime.Func(func(rows, out []float64) error {
		for i, x := range rows {
			out[i] = x * x
		}
		return nil
	})
	exported := runtime.Func(func(rows, out []float64) error {
		for i, x := range rows {
			out[i] = float64(float32(x) * float32(x))
		}
		return nil
	})
	rows := validate.Rows{Values: []float64{0.5, 1.1, -2, 3.3}, Width: 1, Names: []string{"x"}}
	report, err := validate.Gate{}.Compare(native, exported, rows)
	if err != nil {
		panic(err)
	}
	fmt.Print(report)

	report, err = validate.Gate{Equal: true}.Compare(native, exported, rows)
	if err != nil {
		panic(err)
	}
	fmt.Println(report.Reason)
	// Output:
	// pass: within 0.0001 + 0.001·|native|
	//   rows                   4
	//   beyond tolerance       0 of 4 values
	//   absolute difference    max 6.1e-07, mean 1.62e-07
	//   relative difference    max 5.6e-08, mean 2.19e-08
	//   percentiles, absolute  p50 0, p90 6.1e-07, p99 6.1e-07, p99.9 6.1e-07
	//   correlation            Pearson 1, Spearman 1
	//   same sign              100 %
	//   worst                  row 1: native 1.2100000000000002, exported 1.2100000381469727
	// 2 of 4 values are not equal
}
