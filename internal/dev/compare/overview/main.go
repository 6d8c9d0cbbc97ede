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
// With -plot FILE.svg it also draws the geometric means and the mean ranks over the trials.
//
// The mean rank is 1 for a sampler that is the best on every problem; equal scores share their ranks. It does not depend
// on how small the least score is.
//
// The last rows say how much the best of several is flattered by noise: a sampler is set
// beside the better of its own two halves, the runs with even seeds and those with odd ones.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/figure/draw"
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
	picture := flag.String("plot", "", "SVG file to draw the means to")
	title := flag.String("title", "", "title of the picture")
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
	if *picture == "" {
		return
	}
	var b bytes.Buffer
	if err := draw.SVG(&b, plotted(*title, files), draw.Options{}); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*picture, b.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}

// plotted shows the geometric means of the scores and the mean ranks at every number of trials that the runs tell.
func plotted(title string, files [][]compare.Run) figure.Figure {
	var at []int
	for _, runs := range files[1:] {
		for _, r := range runs {
			at = slices.AppendSeq(at, maps.Keys(r.Best))
		}
	}
	slices.Sort(at)
	at = slices.Compact(at)
	s := summarize(files, at)
	f := figure.Figure{Title: title, Panels: []figure.Panel{
		{X: figure.Axis{Label: "trials"}, Y: figure.Axis{Label: "geometric mean of the scores", Scale: figure.Log}},
		{X: figure.Axis{Label: "trials"}, Y: figure.Axis{Label: "mean rank"}},
	}}
	for i, name := range s.samplers {
		score := figure.Line{Name: name, Colour: figure.Nth(i)}
		rank := score
		for _, n := range at {
			if m := s.means(n); m.count > 0 {
				score.X, score.Y = append(score.X, float64(n)), append(score.Y, m.total[i])
				rank.X, rank.Y = append(rank.X, float64(n)), append(rank.Y, m.ranks[i])
			}
		}
		f.Panels[0].Marks = append(f.Panels[0].Marks, score)
		f.Panels[1].Marks = append(f.Panels[1].Marks, rank)
	}
	return f
}

// means are what the problems have in common at one number of trials, for each sampler: the geometric mean of the scores,
// that of the scores over the best ones, and the mean of the ranks. They are over the problems that all samplers were run on.
type means struct {
	total, over, ranks []float64
	count              int // number of problems
}

func (s summary) means(n int) means {
	m := means{total: make([]float64, len(s.samplers)), over: make([]float64, len(s.samplers)), ranks: make([]float64, len(s.samplers))}
	for _, p := range s.problems {
		scores := s.scores[key(p, n)]
		if slices.ContainsFunc(scores, math.IsNaN) {
			continue
		}
		m.count++
		best := slices.Min(scores)
		for i, v := range scores {
			m.total[i] += math.Log(v)
			m.over[i] += math.Log(v / best)
			for j, other := range scores {
				switch {
				case other < v || j == i:
					m.ranks[i]++
				case other == v:
					m.ranks[i] += 0.5
				}
			}
		}
	}
	count := float64(m.count)
	for i := range m.total {
		m.total[i], m.over[i], m.ranks[i] = math.Exp(m.total[i]/count), math.Exp(m.over[i]/count), m.ranks[i]/count
	}
	return m
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
		m := s.means(n)
		row(w, fmt.Sprintf("**geometric mean of %d** | %d", m.count, n), m.total)
		row(w, fmt.Sprintf("**over the best of them all** | %d", n), m.over)
		row(w, fmt.Sprintf("**mean rank** | %d", n), m.ranks)
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
