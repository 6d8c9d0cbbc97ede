package draw_test

import (
	"bytes"
	"fmt"

	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/figure/draw"
)

func ExampleSVG() {
	f := figure.Figure{Title: "Squares", Panels: []figure.Panel{{
		X:     figure.Axis{Label: "x"},
		Y:     figure.Axis{Label: "x²"},
		Marks: []figure.Mark{figure.Line{X: []float64{1, 2, 3}, Y: []float64{1, 4, 9}}},
	}}}
	var b bytes.Buffer
	if err := draw.SVG(&b, f, draw.Options{Width: 400, Height: 300}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(bytes.Contains(b.Bytes(), []byte(`<title>Squares</title>`)))
	// Output: true
}
