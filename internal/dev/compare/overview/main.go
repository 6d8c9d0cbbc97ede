// Command overview sets several samplers side by side: it reads what command quality and
// its Python twin write, one sampler a file, and writes Markdown.
//
//	go run ./internal/dev/compare/overview -trials 50,100,200 random.jsonl auto.jsonl tpe.jsonl
//
// The first file is of the sampler that the others are measured by: a score is the
// median regret of a sampler over the median regret of the first at 50 trials. Of a
// table, the regret is the share of configurations that are at least as good as the
// best found; of a front, the share of the hypervolume that is missing.
//
// The mean rank is 1 for a sampler that is the best on every problem; equal scores share their ranks. It does not depend
// on how small the least score is.
//
// The last rows say how much the best of several is flattered by noise: a sampler is set
// beside the better of its own two halves, the runs with even seeds and those with odd ones.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/internal/dev/compare"
	"github.com/attune-hpo/attune/internal/dev/compare/table"
	"github.com/attune-hpo/attune/objective/problem"
)

// base is the number of trials at which the first sampler is the measure.
const base = 50

// least is the least score: what is better is as good, so that a few problems that are
// solved to the last digit do not decide a mean of logarithms.
const least = 1e-6

func main() {
	log.SetFlags(0)
	log.SetPrefix("overview: ")
	trials := flag.String("trials", "50,100,200", "numbers of trials, separated by commas")
	flag.Parse()
	var at []int
	for text := range strings.SplitSeq(*trials, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			log.Fatal(err)
		}
		at = append(at, n)
	}
	var files [][]compare.Run
	for _, path := range flag.Args() {
		runs, err := read(path)
		if err != nil {
			log.Fatal(err)
		}
		files = append(files, runs)
	}
	if len(files) < 2 {
		log.Fatal("want two files or more")
	}
	write(os.Stdout, summarize(files, at), at)
}

func read(path string) ([]compare.Run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	runs, err := compare.Read(f)
	if err == nil && len(runs) == 0 {
		err = fmt.Errorf("%s: no runs", path)
	}
	return runs, err
}

// A summary has the scores of samplers.
type summary struct {
	samplers []string
	problems []string
	seeds    []int                // of each sampler, at least
	scores   map[string][]float64 // by problem and number of trials, of each sampler; NaN: not run
	halves   map[string][]float64 // the better score of the runs with even and with odd seeds; NaN: fewer than two each
}

func key(problem string, trials int) string { return fmt.Sprint(problem, " ", trials) }

func summarize(files [][]compare.Run, at []int) summary {
	s := summary{scores: map[string][]float64{}, halves: map[string][]float64{}}
	measure := map[string]float64{}
	regretOf := map[string]func(best float64) float64{}
	for k, runs := range files {
		regrets := map[string][]float64{}
		var parts [2]map[string][]float64
		for i := range parts {
			parts[i] = map[string][]float64{}
		}
		for _, r := range runs {
			if !slices.Contains(s.problems, r.Problem) && k == 1 {
				s.problems = append(s.problems, r.Problem)
			}
			if regretOf[r.Problem] == nil {
				regretOf[r.Problem] = regret(r.Problem)
			}
			for n, best := range r.Best {
				v := regretOf[r.Problem](best)
				regrets[key(r.Problem, n)] = append(regrets[key(r.Problem, n)], v)
				part := parts[r.Seed%2]
				part[key(r.Problem, n)] = append(part[key(r.Problem, n)], v)
			}
		}
		if k == 0 {
			for _, r := range runs {
				measure[r.Problem] = median(regrets[key(r.Problem, base)])
			}
			continue
		}
		s.samplers = append(s.samplers, runs[0].Sampler)
		seeds := math.MaxInt
		for _, p := range s.problems {
			for _, n := range at {
				score := math.NaN()
				if xs := regrets[key(p, n)]; len(xs) > 0 {
					seeds = min(seeds, len(xs))
					score = math.Max(median(xs)/measure[p], least)
				}
				s.scores[key(p, n)] = append(s.scores[key(p, n)], score)
				half := math.NaN()
				if a, b := parts[0][key(p, n)], parts[1][key(p, n)]; len(a) > 1 && len(b) > 1 {
					half = math.Max(math.Min(median(a), median(b))/measure[p], least)
				}
				s.halves[key(p, n)] = append(s.halves[key(p, n)], half)
			}
		}
		s.seeds = append(s.seeds, seeds)
	}
	return s
}

func median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	return compare.Quartiles(xs)[1]
}

// regret returns a function that says how far a best value is from what can be had.
func regret(name string) func(best float64) float64 {
	if slices.ContainsFunc(compare.Fronts(), func(f problem.Front) bool { return f.Name == name }) {
		return func(best float64) float64 { return best }
	}
	for _, t := range table.All() {
		if t.Name == name {
			return t.Rank
		}
	}
	some, _, bounded, err := compare.Named(name)
	if err != nil {
		log.Fatal(err)
	}
	for _, b := range bounded {
		some = append(some, b.Problem)
	}
	return func(best float64) float64 { return best - some[0].Minimum }
}

func write(w io.Writer, s summary, at []int) {
	fmt.Fprintf(w, "| problem | trials | %s |\n|---|--:|%s\n", strings.Join(s.samplers, " | "), strings.Repeat("--:|", len(s.samplers)))
	for _, p := range s.problems {
		for _, n := range at {
			row(w, fmt.Sprintf("%s | %d", p, n), s.scores[key(p, n)])
		}
	}
	for _, n := range at {
		total, over, ranks := make([]float64, len(s.samplers)), make([]float64, len(s.samplers)), make([]float64, len(s.samplers))
		count := 0.0
		for _, p := range s.problems {
			scores := s.scores[key(p, n)]
			if slices.ContainsFunc(scores, math.IsNaN) {
				continue
			}
			count++
			best := slices.Min(scores)
			for i, v := range scores {
				total[i] += math.Log(v)
				over[i] += math.Log(v / best)
				for j, other := range scores {
					switch {
					case other < v || j == i:
						ranks[i]++
					case other == v:
						ranks[i] += 0.5
					}
				}
			}
		}
		for i := range total {
			total[i], over[i], ranks[i] = math.Exp(total[i]/count), math.Exp(over[i]/count), ranks[i]/count
		}
		row(w, fmt.Sprintf("**geometric mean of %.0f** | %d", count, n), total)
		row(w, fmt.Sprintf("**over the best of them all** | %d", n), over)
		row(w, fmt.Sprintf("**mean rank** | %d", n), ranks)
	}
	for _, n := range at {
		flattery := make([]float64, len(s.samplers))
		for i := range flattery {
			sum, count := 0.0, 0.0
			for _, p := range s.problems {
				if half := s.halves[key(p, n)][i]; !math.IsNaN(half) {
					sum += math.Log(s.scores[key(p, n)][i] / half)
					count++
				}
			}
			flattery[i] = math.Exp(sum / count) // NaN if there is none
		}
		row(w, fmt.Sprintf("**over the better of its own halves** | %d", n), flattery)
	}
}

// row writes scores, the least of them in bold type.
func row(w io.Writer, name string, scores []float64) {
	fmt.Fprintf(w, "| %s |", name)
	least := math.Inf(1)
	for _, v := range scores {
		if v < least {
			least = v
		}
	}
	for _, v := range scores {
		text := fmt.Sprintf("%.2g", v)
		switch {
		case math.IsNaN(v):
			text = ""
		case v == least:
			text = "**" + text + "**"
		}
		fmt.Fprintf(w, " %s |", text)
	}
	fmt.Fprintln(w)
}
