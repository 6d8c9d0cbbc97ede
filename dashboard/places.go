package dashboard

import (
	"encoding/json"
	"io"
	"math"
	"strconv"

	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/figure/draw"
)

// A placedAxis is an axis as the script of the pages has it.
type placedAxis struct {
	Label string   `json:"label"`
	Field string   `json:"field,omitempty"` // by which a filter chooses trials
	Scale string   `json:"scale"`
	From  float64  `json:"from"`
	To    float64  `json:"to"`
	Names []string `json:"names,omitempty"`
}

// A placedArea is a panel as the script of the pages has it.
type placedArea struct {
	Box    [4]float64  `json:"box"`
	X      *placedAxis `json:"x,omitempty"`
	Y      placedAxis  `json:"y"`
	Places []place     `json:"places"`
}

// A place is written as [x, y, number of the trial, value on X, value on Y].
type place draw.Place

func (p place) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	b = strconv.AppendFloat(b, p.X, 'f', 1, 64)
	b = append(b, ',')
	b = strconv.AppendFloat(b, p.Y, 'f', 1, 64)
	b = append(b, ',')
	b = strconv.AppendInt(b, int64(p.Key), 10)
	for _, v := range []float64{p.ValueX, p.ValueY} {
		b = append(b, ',')
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendFloat(b, v, 'g', 7, 64)
		}
	}
	return append(b, ']'), nil
}

var scaleNames = map[figure.Scale]string{figure.Linear: "linear", figure.Log: "log", figure.Time: "time", figure.Names: "names"}

// writePlaces writes where things are in the image of a figure.
func writePlaces(w io.Writer, f figure.Figure, o draw.Options) error {
	found, err := draw.Find(f, o)
	if err != nil {
		return err
	}
	axis := func(a draw.PlacedAxis) placedAxis {
		return placedAxis{a.Label, a.Field, scaleNames[a.Scale], a.From, a.To, a.Names}
	}
	out := struct {
		Width  float64      `json:"width"`
		Height float64      `json:"height"`
		Areas  []placedArea `json:"areas"`
	}{Width: found.Width, Height: found.Height, Areas: []placedArea{}}
	for _, a := range found.Areas {
		area := placedArea{Box: [4]float64{a.X0, a.Y0, a.X1, a.Y1}, Y: axis(a.Y), Places: make([]place, len(a.Places))}
		if a.X.From != a.X.To {
			x := axis(a.X)
			area.X = &x
		}
		for i, p := range a.Places {
			area.Places[i] = place(p)
		}
		out.Areas = append(out.Areas, area)
	}
	return json.NewEncoder(w).Encode(out)
}
