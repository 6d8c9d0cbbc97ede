package fault_test

import (
	"fmt"
	"strings"

	"github.com/attune-hpo/attune/fault"
)

// A program presents an error about a setting in terms of its own inputs.
func ExampleText() {
	const forecast fault.Package = "forecast"
	err := forecast.Errorf("read air.csv: line 8: a missing value: %w",
		fault.Hint{Field: "forecast.CSV.Fill", Want: "set %s to carry or keep"})
	fmt.Println(err)

	inputs := map[string]string{"forecast.CSV.Fill": `"Fill the gaps"`}
	fmt.Println(fault.Text(err, func(h fault.Hint) string { return h.Named(inputs[h.Field]) }))
	for _, h := range fault.Hints(err) {
		fmt.Println(strings.ToLower(inputs[h.Field]), "is marked in red")
	}
	// Output:
	// forecast: read air.csv: line 8: a missing value: set forecast.CSV.Fill to carry or keep
	// read air.csv: line 8: a missing value: set "Fill the gaps" to carry or keep
	// "fill the gaps" is marked in red
}
