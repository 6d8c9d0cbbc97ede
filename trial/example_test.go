package trial_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

func ExampleRecord_Apply() {
	lr := space.Float("lr", 1e-5, 1e-1, space.Log())
	r := trial.Record{Number: 0, State: trial.Running}
	r, err := r.Apply(
		trial.Suggested{Space: space.Of(lr), Point: []float64{0.01}},
		trial.Reported{Step: 0, Value: 0.9},
		trial.Finished{State: trial.Complete, Values: []float64{0.8}},
	)
	rate, _ := lr.Value(r)
	fmt.Println(r.State, rate, r.Values, err)

	_, err = r.Apply(trial.Reported{Step: 1, Value: 0.7})
	fmt.Println(errors.Is(err, trial.ErrFinished))
	// Output:
	// complete 0.01 [0.8] <nil>
	// true
}

func ExampleHistory() {
	h := trial.NewHistory(trial.Header{Directions: []trial.Direction{trial.Maximize}})
	h.Put(trial.Record{Number: 0, State: trial.Complete, Values: []float64{0.91}})
	early := h.Snapshot()
	h.Put(trial.Record{Number: 1, State: trial.Complete, Values: []float64{0.94}})
	best, _ := h.Snapshot().Best()
	fmt.Println(best.Number, best.Values[0])
	fmt.Println(early.Len(), "trial, whatever has been put since")
	// Output:
	// 1 0.94
	// 1 trial, whatever has been put since
}

func ExampleSnapshot_Front() {
	h := trial.NewHistory(trial.Header{Directions: []trial.Direction{trial.Minimize, trial.Maximize}})
	for n, v := range [][]float64{{1, 5}, {2, 9}, {3, 7}} { // cost and gain
		h.Put(trial.Record{Number: n, State: trial.Complete, Values: v})
	}
	for _, r := range h.Snapshot().Front() {
		fmt.Println(r.Number, r.Values)
	}
	// Output:
	// 0 [1 5]
	// 1 [2 9]
}

func ExampleSnapshot_Groups() {
	depth, units, rate := space.Int("depth", 1, 9), space.Int("units", 1, 64), space.Float("rate", 0, 1)
	h := trial.NewHistory(trial.Header{})
	h.Put(trial.Record{Number: 0, State: trial.Complete, Params: space.Params{Space: space.Of(rate, depth), Point: []float64{0.1, 3}}})
	h.Put(trial.Record{Number: 1, State: trial.Complete, Params: space.Params{Space: space.Of(rate, units), Point: []float64{0.2, 9}}})
	for _, g := range h.Snapshot().Groups() {
		fmt.Println(g[0].Name)
	}
	fmt.Println("in all:", h.Snapshot().Common()[0].Name)
	// Output:
	// depth
	// rate
	// units
	// in all: rate
}

func ExampleNewAttr() {
	a, err := trial.NewAttr("folds", []float64{0.5, 1})
	fmt.Println(a.JSON, err)
	var folds []float64
	fmt.Println(a.Decode(&folds), folds)
	// Output:
	// [0.5, 1.0] <nil>
	// <nil> [0.5 1]
}

func ExampleSnapshot_CompletedAt() {
	h := trial.NewHistory(trial.Header{})
	h.Put(trial.Record{Number: 0, State: trial.Complete, Values: []float64{1}, Reports: []trial.Report{{Step: 0, Value: 3}, {Step: 1, Value: 2}}})
	h.Put(trial.Record{Number: 1, State: trial.Pruned, Reports: []trial.Report{{Step: 0, Value: 9}, {Step: 1, Value: 8}}})
	fmt.Println(h.Snapshot().CompletedAt(1))
	// Output: [2]
}

func ExampleSnapshot_Summary() {
	h := trial.NewHistory(trial.Header{Name: "digits", Directions: []trial.Direction{trial.Maximize}})
	h.Put(trial.Record{Number: 0, State: trial.Complete, Values: []float64{0.91}})
	h.Put(trial.Record{Number: 1, State: trial.Complete, Values: []float64{0.97}})
	h.Put(trial.Record{Number: 2, State: trial.Failed, Err: "out of memory"})
	s := h.Snapshot().Summary()
	fmt.Printf("%s: %d complete, %d failed, best %v in trial %d\n", s.Header.Name, s.Complete, s.Failed, s.Best.Values[0], s.Best.Number)
	// Output: digits: 2 complete, 1 failed, best 0.97 in trial 1
}

func ExampleRecord_AppendJSON() {
	lr := space.Float("lr", 1e-5, 1e-1, space.Log())
	r := trial.Record{
		Number: 3, State: trial.Running,
		Params:  space.Params{Space: space.Of(lr), Point: []float64{0.01}},
		Reports: []trial.Report{{Step: 0, Value: math.NaN()}},
	}
	text, err := r.AppendJSON(nil)
	fmt.Println(err)

	var back trial.Record
	err = json.Unmarshal(text, &back)
	rate, _ := lr.Value(back)
	fmt.Println(err, back.Number, back.State, rate, back.Reports)
	// Output:
	// <nil>
	// <nil> 3 running 0.01 [{0 NaN}]
}

// A pruner keeps what it computes about each trial as a column: the history asks about each trial once.
func ExampleSnapshot_Column() {
	h := trial.NewHistory(trial.Header{})
	h.Put(trial.Record{Number: 0, State: trial.Complete, Reports: []trial.Report{{Step: 0, Value: 3}, {Step: 1, Value: 2}}})
	h.Put(trial.Record{Number: 1, State: trial.Failed})
	h.Put(trial.Record{Number: 2, State: trial.Complete, Reports: []trial.Report{{Step: 0, Value: 1}, {Step: 1, Value: 4}}})
	type lowest struct{} // the key
	fmt.Println(h.Snapshot().Column(lowest{}, func(r *trial.Record) (float64, bool) {
		low := math.Inf(1)
		for _, p := range r.Reports {
			low = min(low, p.Value)
		}
		return low, len(r.Reports) > 0
	}))
	// Output: [2 1]
}

// Hyperband shows each trial the others of its bracket.
func ExampleSnapshot_Scope() {
	h := trial.NewHistory(trial.Header{})
	for number, v := range []float64{5, 1, 4, 2} {
		h.Put(trial.Record{Number: number, State: trial.Complete, Values: []float64{v}})
	}
	even := h.Snapshot().Scope("even", func(number int) bool { return number%2 == 0 })
	best, _ := even.Best()
	fmt.Println(even.Len(), best.Number, best.Values)
	// Output: 2 2 [4]
}
