package validate

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// A Report is the result of comparing two models.
type Report struct {
	Pass   bool
	Reason string // why it did not pass, or empty
	Gate   Gate   // the gate, with its defaults filled in

	Rows, Outputs int
	// Beyond counts the values beyond the tolerance.
	Beyond int
	// NaN counts the values that are NaN on both sides, and OneNaN those on one side only.
	NaN, OneNaN int
	// MaxAbsolute and MeanAbsolute are over |exported - native|. The difference is infinite if
	// one value is not finite and the other is not the same.
	MaxAbsolute, MeanAbsolute float64
	// MaxRelative and MeanRelative are over |exported - native| / |native|, where both are
	// finite and the native value is not 0. They are NaN if there are no such values.
	MaxRelative, MeanRelative float64
	Percentiles               []Percentile // percentiles of |exported - native|, ascending
	// Pearson and Spearman are the correlations of the values that are finite on both
	// sides; equal values get their mean rank. They are NaN if one side is constant.
	Pearson, Spearman float64
	// Signs is the share of the values with equal signs: +, -, 0 or NaN.
	Signs float64
	// Worst is the value that exceeds its tolerance most, or comes closest to it.
	Worst Worst
}

// A Percentile is the smallest difference that P percent of the values do not exceed.
type Percentile struct {
	P     float64
	Value float64
}

// Worst is the value at which two models differ most.
type Worst struct {
	Row, Output      int
	Label            string    // label of the row; may be empty
	Inputs           []float64 // inputs of the row
	Names            []string  // names of the inputs; may be nil
	Native, Exported float64
}

// String returns the verdict, followed by a table.
func (r Report) String() string {
	var b strings.Builder
	if r.Pass {
		fmt.Fprintf(&b, "pass: %s\n", r.asked())
	} else {
		fmt.Fprintf(&b, "FAIL: %s (asked for: %s)\n", r.Reason, r.asked())
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	outputs := ""
	if r.Outputs != 1 {
		outputs = fmt.Sprintf(" with %d outputs", r.Outputs)
	}
	fmt.Fprintf(w, "  rows\t%d%s\n", r.Rows, outputs)
	fmt.Fprintf(w, "  beyond tolerance\t%d of %d values\n", r.Beyond, r.Rows*r.Outputs)
	if r.NaN+r.OneNaN > 0 {
		fmt.Fprintf(w, "  NaN\t%d on both sides, %d on one only\n", r.NaN, r.OneNaN)
	}
	fmt.Fprintf(w, "  absolute difference\tmax %.3g, mean %.3g\n", r.MaxAbsolute, r.MeanAbsolute)
	fmt.Fprintf(w, "  relative difference\tmax %.3g, mean %.3g\n", r.MaxRelative, r.MeanRelative)
	var p []string
	for _, q := range r.Percentiles {
		p = append(p, fmt.Sprintf("p%v %.3g", q.P, q.Value))
	}
	fmt.Fprintf(w, "  percentiles, absolute\t%s\n", strings.Join(p, ", "))
	fmt.Fprintf(w, "  correlation\tPearson %s, Spearman %s\n", correlation(r.Pearson), correlation(r.Spearman))
	fmt.Fprintf(w, "  same sign\t%.4g %%\n", 100*r.Signs)
	where := fmt.Sprintf("row %d", r.Worst.Row)
	if r.Worst.Label != "" {
		where += " (" + r.Worst.Label + ")"
	}
	if r.Outputs > 1 {
		where += fmt.Sprintf(", output %d", r.Worst.Output)
	}
	fmt.Fprintf(w, "  worst\t%s: native %v, exported %v\n", where, r.Worst.Native, r.Worst.Exported)
	w.Flush() // a strings.Builder does not fail
	if !r.Pass {
		fmt.Fprintf(&b, "  its inputs: %s\n", r.Worst.inputs(20))
	}
	return b.String()
}

func correlation(c float64) string {
	if math.IsNaN(c) {
		return "- (constant)"
	}
	return fmt.Sprintf("%.9g", c)
}

// asked describes the requirements of the gate.
func (r Report) asked() string {
	if r.Gate.Equal {
		return "equal numbers"
	}
	text := fmt.Sprintf("within %.4g", r.Gate.ATol)
	if r.Gate.RTol > 0 {
		text += fmt.Sprintf(" + %.4g·|native|", r.Gate.RTol)
	}
	if r.Gate.Beyond > 0 {
		text += fmt.Sprintf(" but for %.4g %% of the values, correlations of %v", 100*r.Gate.Beyond, r.Gate.Correlation)
	}
	return text
}

// inputs formats the first values of the row.
func (w Worst) inputs(most int) string {
	var parts []string
	for i, x := range w.Inputs {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(w.Inputs)-most))
			break
		}
		if i < len(w.Names) && w.Names[i] != "" {
			parts = append(parts, fmt.Sprintf("%s=%v", w.Names[i], x))
		} else {
			parts = append(parts, fmt.Sprint(x))
		}
	}
	return strings.Join(parts, " ")
}

// A number is a float64 that JSON can represent: null for NaN, a string for infinities.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	switch x := float64(n); {
	case math.IsNaN(x):
		return []byte("null"), nil
	case math.IsInf(x, 0):
		return json.Marshal(fmt.Sprint(x))
	default:
		return json.Marshal(x)
	}
}

// MarshalJSON writes r with null for NaN and the strings "+Inf" and "-Inf".
func (r Report) MarshalJSON() ([]byte, error) {
	type percentile struct {
		P     float64 `json:"p"`
		Value number  `json:"value"`
	}
	type worst struct {
		Row      int      `json:"row"`
		Output   int      `json:"output"`
		Label    string   `json:"label,omitempty"`
		Inputs   []number `json:"inputs"`
		Names    []string `json:"names,omitempty"`
		Native   number   `json:"native"`
		Exported number   `json:"exported"`
	}
	out := struct {
		Pass         bool         `json:"pass"`
		Reason       string       `json:"reason,omitempty"`
		Equal        bool         `json:"equal"`
		RTol         float64      `json:"rtol"`
		ATol         float64      `json:"atol"`
		MayBeyond    float64      `json:"beyond_allowed"`
		Correlation  float64      `json:"correlation_least"`
		Rows         int          `json:"rows"`
		Outputs      int          `json:"outputs"`
		Beyond       int          `json:"beyond"`
		NaN          int          `json:"nan_both"`
		OneNaN       int          `json:"nan_one"`
		MaxAbsolute  number       `json:"max_absolute"`
		MeanAbsolute number       `json:"mean_absolute"`
		MaxRelative  number       `json:"max_relative"`
		MeanRelative number       `json:"mean_relative"`
		Percentiles  []percentile `json:"percentiles_absolute"`
		Pearson      number       `json:"pearson"`
		Spearman     number       `json:"spearman"`
		Signs        float64      `json:"same_sign"`
		Worst        worst        `json:"worst"`
	}{r.Pass, r.Reason, r.Gate.Equal, r.Gate.RTol, r.Gate.ATol, r.Gate.Beyond, r.Gate.Correlation, r.Rows, r.Outputs, r.Beyond, r.NaN, r.OneNaN,
		number(r.MaxAbsolute), number(r.MeanAbsolute), number(r.MaxRelative), number(r.MeanRelative), nil, number(r.Pearson), number(r.Spearman), r.Signs,
		worst{r.Worst.Row, r.Worst.Output, r.Worst.Label, nil, r.Worst.Names, number(r.Worst.Native), number(r.Worst.Exported)}}
	for _, p := range r.Percentiles {
		out.Percentiles = append(out.Percentiles, percentile{p.P, number(p.Value)})
	}
	for _, x := range r.Worst.Inputs {
		out.Worst.Inputs = append(out.Worst.Inputs, number(x))
	}
	return json.Marshal(out)
}

// WriteJSON writes r as indented JSON.
func (r Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
