// Command versus compares the runs of one sampler with those of another, problem by
// problem, and says where a difference is more than noise. It reads the output of command
// quality and its Python twin, and writes Markdown.
//
//	go run ./internal/dev/compare/versus ours.jsonl theirs.jsonl
package main

import (
	"flag"
	"fmt"
	"log"
	"math"
	"os"

	"github.com/attune-hpo/attune/internal/dev/compare"
	"github.com/attune-hpo/attune/internal/dev/compare/table"
	"github.com/attune-hpo/attune/objective/problem"
)

var budgets = []int{50, 100, 200}

func main() {
	log.SetFlags(0)
	log.SetPrefix("versus: ")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: versus OURS.jsonl THEIRS.jsonl")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	ours, theirs := read(flag.Arg(0)), read(flag.Arg(1))
	functions(ours, theirs)
	tables(ours, theirs)
}

// A sample holds the runs of one sampler by problem.
type sample struct {
	name string
	runs map[string][]compare.Run
}

func read(path string) sample {
	f, err := os.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	runs, err := compare.Read(f)
	if err != nil {
		log.Fatalf("%s: %v", path, err)
	}
	if len(runs) == 0 {
		log.Fatalf("%s: no runs", path)
	}
	s := sample{name: runs[0].Sampler, runs: map[string][]compare.Run{}}
	for _, r := range runs {
		if r.Sampler != s.name {
			log.Fatalf("%s: runs of %q and of %q: want one sampler per file", path, s.name, r.Sampler)
		}
		s.runs[r.Problem] = append(s.runs[r.Problem], r)
	}
	return s
}

// after returns the best values after n trials minus base, or none if the problem
// was not run.
func (s sample) after(name string, n int, base float64) []float64 {
	var out []float64
	for _, r := range s.runs[name] {
		if v, ok := r.Best[n]; ok {
			out = append(out, v-base)
		}
	}
	return out
}

func functions(ours, theirs sample) {
	fmt.Printf("Regret (best value minus the minimum): median [quartiles].\n\n")
	fmt.Printf("| problem | trials | %s | %s | verdict |\n|---|--:|--:|--:|---|\n", ours.name, theirs.name)
	for _, p := range compare.Problems() {
		if tabulated(p) != nil {
			continue
		}
		for _, n := range budgets[1:] {
			a, b := ours.after(p.Name, n, p.Minimum), theirs.after(p.Name, n, p.Minimum)
			if len(a) > 0 && len(b) > 0 {
				fmt.Printf("| %s | %d | %s | %s | %s |\n", p.Name, n, spread(a), spread(b), compare.Judge(a, b))
			}
		}
	}
	fmt.Println()
}

func spread(xs []float64) string {
	q := compare.Quartiles(xs)
	return fmt.Sprintf("%.3g [%.3g, %.3g]", q[1], q[0], q[2])
}

func tables(ours, theirs sample) {
	fmt.Printf("pct: configurations at least as good as the best found, in %% of all, geometric mean.\n")
	fmt.Printf("×random: draws that random search needs for the mean best value, over trials used.\n\n")
	fmt.Printf("| table | trials | %s: pct | ×random | distinct | %s: pct | ×random | distinct | verdict |\n|---|--:|--:|--:|--:|--:|--:|--:|---|\n", ours.name, theirs.name)
	for _, n := range budgets {
		var total [2]score
		count := 0.0
		for _, t := range table.All() {
			a, b := ours.after(t.Name, n, 0), theirs.after(t.Name, n, 0)
			if len(a) == 0 || len(b) == 0 {
				continue
			}
			sa, sb := rate(t, a, n), rate(t, b, n)
			fmt.Printf("| %s | %d | %s | %.0f | %s | %.0f | %s |\n", t.Name, n,
				sa, distinct(ours.runs[t.Name]), sb, distinct(theirs.runs[t.Name]), compare.Judge(a, b))
			total[0].add(sa)
			total[1].add(sb)
			count++
		}
		if count > 0 {
			a, b := total[0].over(count), total[1].over(count)
			ratio, half := math.Exp(a.pct-b.pct), 1.96*math.Sqrt(a.variance+b.variance)
			fmt.Printf("| **all** | %d | %s | | %s | | pct is %.2f of theirs, 95 %%: %.2f to %.2f |\n", n,
				a, b, ratio, ratio*math.Exp(-half), ratio*math.Exp(half))
		}
	}
}

func tabulated(p problem.Problem) *table.Table {
	for _, t := range table.All() {
		if t.Name == p.Name {
			return t
		}
	}
	return nil
}

// A score summarizes the runs on a table by logarithms, whose means are geometric.
type score struct {
	pct, variance float64 // mean of log pct over the runs, and the variance of that mean
	random        float64 // log ×random
}

func rate(t *table.Table, best []float64, n int) score {
	var s score
	mean, squares, size := 0.0, 0.0, float64(len(best))
	for _, v := range best {
		pct := math.Log(t.Rank(v))
		s.pct += pct / size
		squares += pct * pct
		mean += v / size
	}
	s.variance = max(0, squares/size-s.pct*s.pct) / max(1, size-1)
	s.random = math.Log(t.Draws(mean) / float64(n))
	return s
}

func (s *score) add(o score) {
	s.pct += o.pct
	s.variance += o.variance
	s.random += o.random
}

func (s score) over(n float64) score {
	return score{s.pct / n, s.variance / (n * n), s.random / n}
}

func (s score) String() string {
	return fmt.Sprintf("%.4f %% | %.1f", 100*math.Exp(s.pct), math.Exp(s.random))
}

func distinct(runs []compare.Run) float64 {
	sum := 0.0
	for _, r := range runs {
		sum += float64(r.Distinct)
	}
	return sum / float64(len(runs))
}
