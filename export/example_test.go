package export_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/attune-hpo/attune/export"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// history returns a snapshot like that of a study.
func history() trial.Snapshot {
	h := trial.NewHistory(trial.Header{Name: "example"})
	s := space.Of(space.Float("lr", 1e-5, 1e-1, space.Log()), space.Categorical("booster", "gbdt", "dart"))
	h.Put(trial.Record{Number: 0, State: trial.Complete, Values: []float64{0.25}, Params: space.Params{Space: s, Point: []float64{0.001, 1}}})
	h.Put(trial.Record{Number: 1, State: trial.Failed, Err: "out of memory", Params: space.Params{Space: s, Point: []float64{0.1, 0}}})
	return h.Snapshot()
}

func ExampleTable_CSV() {
	if err := export.All(history()).CSV(os.Stdout); err != nil {
		panic(err)
	}
	// Output:
	// number,state,value,params_lr,params_booster,datetime_start,datetime_complete,duration,error
	// 0,complete,0.25,0.001,dart,,,,
	// 1,failed,,0.1,gbdt,,,,out of memory
}

func ExampleTable_JSONL() {
	var b bytes.Buffer
	if err := export.All(history()).JSONL(&b); err != nil {
		panic(err)
	}
	for line := range strings.Lines(b.String()) { // another program reads it
		var r trial.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			panic(err)
		}
		fmt.Println(r.Number, r.State, r.Params)
	}
	// Output:
	// 0 complete lr=0.001 booster=dart
	// 1 failed lr=0.1 booster=gbdt
}

func ExampleAll() {
	fmt.Println(len(export.All(history()).Trials))
	// Output: 2
}

func ExampleParamsYAML() {
	best, _ := history().Best()
	if err := export.ParamsYAML(os.Stdout, best); err != nil {
		panic(err)
	}
	// Output:
	// lr: 0.001
	// booster: dart
}

func ExampleParamsJSON() {
	best, _ := history().Best()
	if err := export.ParamsJSON(os.Stdout, best); err != nil {
		panic(err)
	}
	// Output:
	// {
	//   "lr": 0.001,
	//   "booster": "dart"
	// }
}

func ExampleReadParams() {
	settings, err := export.ReadParams(strings.NewReader(`{"lr": 0.001, "booster": "dart"}`))
	fmt.Println(settings, err)
	// Output: [{lr 0.001} {booster dart}] <nil>
}
