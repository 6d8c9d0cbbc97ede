package pruner_test

import (
	"fmt"
	"time"

	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/trial"
)

// curves is a study of trials that reported at steps 0, 1, ... and are complete.
func curves(all ...[]float64) trial.Snapshot {
	h := trial.NewHistory(trial.Header{Name: "curves"})
	for n, values := range all {
		r := running(n, values...)
		r.State, r.Values = trial.Complete, values[len(values)-1:]
		r.Finished = time.Unix(int64(n), 0)
		h.Put(r)
	}
	return h.Snapshot()
}

func running(number int, values ...float64) trial.Record {
	r := trial.Record{Number: number, State: trial.Running}
	for step, v := range values {
		r.Reports = append(r.Reports, trial.Report{Step: step, Value: v})
	}
	return r
}

func ExampleMedian() {
	const steps = 10
	p := pruner.Median{Startup: 3, Warmup: pruner.WarmupFor(steps)}
	h := curves([]float64{3, 2, 1}, []float64{4, 3, 2}, []float64{5, 4, 3})
	fmt.Println(p.Prune(running(3, 9, 9), h)) // warming up
	fmt.Println(p.Prune(running(3, 9, 9, 9), h))
	// Output:
	//  false
	// 9 by step 2 is worse than the median 2 of 3 trials true
}

func ExamplePercentile() {
	p := pruner.Percentile{Percentile: 25, Startup: 3, Warmup: 1}
	h := curves([]float64{3, 2}, []float64{4, 3}, []float64{5, 4})
	fmt.Println(p.Prune(running(3, 9, 2.75), h))
	// Output: 2.75 by step 1 is worse than the 25th percentile 2.5 of 3 trials true
}

func ExampleExtrapolation() {
	h := curves([]float64{9, 6, 4, 3, 3, 3, 2, 2}, []float64{9, 7, 5, 4, 4, 4, 3, 3}, []float64{9, 8, 6, 5, 5, 5, 4, 4})
	p := pruner.Extrapolation{}
	fmt.Println(p.Prune(running(3, 9, 8, 7, 5, 3), h)) // it still learns
	fmt.Println(p.Prune(running(3, 7, 7, 7, 7, 7), h))
	// Output:
	//  false
	// 7 by step 4 points to 7 at step 7, and the best trial has 2 true
}

func ExampleSuccessiveHalving() {
	p := pruner.SuccessiveHalving{MinResource: 1, ReductionFactor: 2}
	h := curves([]float64{3, 2}, []float64{4, 3}, []float64{5, 4})
	fmt.Println(p.Prune(running(3, 5, 2.5), h))
	fmt.Println(p.Prune(running(3, 5, 3.5), h))
	// Output:
	//  false
	// 3.5 at step 1 is not among the best 2 of 4 at rung 0 true
}

func ExampleHyperband() {
	p := pruner.Hyperband{MinResource: 3, MaxResource: 27, ReductionFactor: 3}
	h := curves(make([]float64, 28), make([]float64, 28), make([]float64, 28), make([]float64, 28))
	for n := range h.Len() {
		for _, r := range p.Scope(n, h).Records() {
			fmt.Print(r.Number, " ")
		}
		fmt.Println("are in the bracket of trial", n)
	}
	// Output:
	// 0 are in the bracket of trial 0
	// 1 3 are in the bracket of trial 1
	// 2 are in the bracket of trial 2
	// 1 3 are in the bracket of trial 3
}

func ExampleThreshold() {
	p := pruner.Threshold{Upper: new(10.0)}
	fmt.Println(p.Prune(running(0, 1, 2, 400), trial.Snapshot{}))
	// Output: 400 at step 2 is above 10 true
}

func ExamplePatient() {
	p := pruner.Patient{Patience: 1, Pruner: pruner.Threshold{Upper: new(1.5)}}
	fmt.Println(p.Prune(running(0, 1, 2), trial.Snapshot{}))
	fmt.Println(p.Prune(running(0, 1, 2, 3), trial.Snapshot{}))
	// Output:
	//  false
	// no better than 1 since step 1; 3 at step 2 is above 1.5 true
}

func ExampleWilcoxon() {
	folds := pruner.Wilcoxon{P: 0.1} // a step is a fold of a cross-validation
	h := curves([]float64{0.20, 0.25, 0.22, 0.21, 0.24})
	fmt.Println(folds.Prune(running(1, 0.22, 0.26, 0.25), h))
	fmt.Println(folds.Prune(running(1, 0.22, 0.26, 0.25, 0.25), h))
	// Output:
	//  false
	// worse than trial 0 with p = 0.062 over 4 steps true
}
