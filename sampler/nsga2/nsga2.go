// Package nsga2 proposes points by a genetic algorithm for several objectives: the children of the best
// trials. The best trials are those that no other dominates and, among these, those in the emptiest parts
// of the front (Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm:
// NSGA-II", IEEE Transactions on Evolutionary Computation 6, 2002).
//
// It is the sampler for two objectives and some hundred trials or more, and costs almost nothing. Choices are
// inherited and mutated as choices; integers and steps move by at least one value.
//
// There are no generations: the population consists of the best Population trials among all finished ones, from any
// sampler and in any order. So no trial of parallel workers is lost, and a resumed study continues as if
// uninterrupted.
//
//   - A feasible trial is better than one that breaks a constraint. Of two trials that break constraints, the one
//     with the smaller violation is better.
//   - A complete trial is better than a pruned one. Failed trials are no parents.
//   - A child at the point of an earlier or running trial is drawn again, up to twenty times.
//   - For a branch of a conditional space, the parents are trials that have that branch. If values are fixed
//     (enqueued, or by [sampler.Fixed]), the parents are trials with about the same values (the same choices, and
//     numbers within a fifth of the range), once there are ten of them.
//
// With one objective it is a plain genetic algorithm.
package nsga2

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/internal/genetic"
	"github.com/attune-hpo/attune/sampler/random"
)

const pkg fault.Package = "nsga2"

// A Crossover says how the numbers of parents become those of a child. Choices are taken from one of the parents.
type Crossover = genetic.Crossover

// The crossovers.
const (
	DefaultCrossover = genetic.DefaultCrossover // Uniform
	Uniform          = genetic.Uniform          // each number from either parent (Syswerda 1989)
	SBX              = genetic.SBX              // simulated binary crossover, bounded (Deb and Agrawal 1995)
	VSBX             = genetic.VSBX             // SBX to either side of a parent (Ballester and Carter 2003)
	BLX              = genetic.BLX              // BLX-α, α = ½ (Eshelman and Schaffer 1992)
	SPX              = genetic.SPX              // simplex of three parents (Tsutsui et al. 1999)
	UNDX             = genetic.UNDX             // unimodal normal, of three parents (Ono and Kobayashi 1997)
)

// Config configures a [Sampler]. Its zero value stands for the defaults.
type Config struct {
	// Population is the number of trials that may be parents. At least 4. Default a
	// tenth of the trials, at least 10 and at most 100.
	Population int
	// Startup is the number of complete and pruned trials until which Independent draws. At least 2. Default 10.
	Startup int
	// Independent draws the first trials. Default random.Sampler{}.
	Independent sampler.Sampler
	// Crossover makes a child of its parents.
	Crossover Crossover
	// CrossoverRate is the probability that a child has several parents; otherwise it is a mutated copy of one.
	// Default 0.9; negative means 0.
	CrossoverRate float64
	// MutationRate is the probability that a parameter is mutated: numbers by polynomial mutation with the index 2,
	// choices to another choice. Default one over the number of parameters; negative means 0.
	MutationRate float64
}

// A Sampler proposes points by NSGA-II. It is safe for concurrent use, and by several
// studies.
type Sampler struct {
	cfg     Config
	breeder genetic.Breeder
}

var (
	_ sampler.Sampler   = (*Sampler)(nil)
	_ sampler.Validator = (*Sampler)(nil)
)

// New returns a sampler.
func New(cfg Config) *Sampler {
	cfg.Startup = cmp.Or(cfg.Startup, 10)
	cfg.Crossover = cmp.Or(cfg.Crossover, Uniform)
	cfg.CrossoverRate = cmp.Or(cfg.CrossoverRate, 0.9)
	if cfg.Independent == nil {
		cfg.Independent = random.Sampler{}
	}
	return &Sampler{cfg: cfg}
}

// Config returns the settings of s with defaults filled in, except a Population and a MutationRate of 0, which depend
// on the study.
func (s *Sampler) Config() Config { return s.cfg }

func (s *Sampler) settings() genetic.Settings {
	c := s.cfg
	return genetic.Settings{
		Independent: c.Independent, Population: c.Population, Startup: c.Startup, Crossover: c.Crossover,
		CrossoverRate: c.CrossoverRate, MutationRate: c.MutationRate, Selection: crowding{},
	}.Resolved()
}

// Validate returns an error that wraps [sampler.ErrInvalid] if a setting is invalid.
func (s *Sampler) Validate() error { return s.settings().Validate(pkg) }

// Sample implements [sampler.Sampler]. It fails with [sampler.ErrInvalid] for invalid settings, and with the errors
// of Config.Independent.
func (s *Sampler) Sample(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
	if err := s.Validate(); err != nil {
		return sampler.Proposal{}, err
	}
	return s.breeder.Sample(ctx, s.settings(), r)
}

// crowding prefers points whose neighbours are far (section III.B).
type crowding struct{}

// Spread implements [genetic.Selection]: it returns the crowding distance of each
// point. The ends of the front have an infinite one.
func (crowding) Spread(front [][]float64) []float64 {
	return newCrowd(front).distances
}

// Cut implements [genetic.Selection]. The most crowded point leaves, and its
// neighbours then are farther from theirs, until k are left. (Taking the k least
// crowded at once, as the paper does, can take away whole stretches of the front:
// Kukkonen and Deb, "Improved Pruning of Non-Dominated Solutions Based on Crowding
// Distance for Bi-Objective Optimization Problems", CEC 2006.)
func (crowding) Cut(_, front [][]float64, k int, _ *rand.Rand) []int {
	c := newCrowd(front)
	for i := range front {
		c.queue = append(c.queue, place{c.distances[i], i})
	}
	heap.Init(&c.queue)
	for n := len(front); n > k; {
		most := heap.Pop(&c.queue).(place)
		if !c.gone[most.point] && most.distance == c.distances[most.point] { // not an outdated entry
			c.remove(most.point)
			n--
		}
	}
	var left []int
	for i := range front {
		if !c.gone[i] {
			left = append(left, i)
		}
	}
	return left
}

// A place in the queue of the points that may leave.
type place struct {
	distance float64
	point    int
}

// queue has the most crowded point in front, of equals the last.
type queue []place

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].distance < q[j].distance || q[i].distance == q[j].distance && q[i].point > q[j].point
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(place)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// A crowd has the neighbours of each point of a front in each objective.
type crowd struct {
	front       [][]float64 // each objective scaled to [0, 1]
	left, right [][]int     // [objective][point]; -1 beyond an end
	distances   []float64
	gone        []bool
	queue       queue
}

func newCrowd(front [][]float64) *crowd {
	n := len(front)
	c := &crowd{front: scaled(front), distances: make([]float64, n), gone: make([]bool, n)}
	if n == 0 {
		return c
	}
	for k := range front[0] {
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(c.front[i][k], c.front[j][k]) })
		left, right := make([]int, n), make([]int, n)
		for at, i := range order {
			left[i], right[i] = -1, -1
			if at > 0 {
				left[i] = order[at-1]
			}
			if at < n-1 {
				right[i] = order[at+1]
			}
		}
		c.left, c.right = append(c.left, left), append(c.right, right)
	}
	for i := range n {
		c.measure(i)
	}
	return c
}

// scaled returns the points with each objective scaled to [0, 1] by its finite values;
// infinite ones are at 2 and -1.
func scaled(front [][]float64) [][]float64 {
	out := make([][]float64, len(front))
	for i, p := range front {
		out[i] = make([]float64, len(p))
	}
	if len(front) == 0 {
		return out
	}
	for k := range front[0] {
		low, high := math.Inf(1), math.Inf(-1)
		for _, p := range front {
			if !math.IsInf(p[k], 0) {
				low, high = math.Min(low, p[k]), math.Max(high, p[k])
			}
		}
		for i, p := range front {
			switch {
			case math.IsInf(p[k], 1):
				out[i][k] = 2
			case math.IsInf(p[k], -1):
				out[i][k] = -1
			case high > low:
				out[i][k] = (p[k]/2 - low/2) / (high/2 - low/2) // halves: the difference may overflow
			}
		}
	}
	return out
}

// measure brings the crowding distance of a point up to date.
func (c *crowd) measure(i int) {
	sum := 0.0
	for k := range c.left {
		l, r := c.left[k][i], c.right[k][i]
		if l < 0 || r < 0 {
			sum = math.Inf(1)
			break
		}
		sum += c.front[r][k] - c.front[l][k]
	}
	c.distances[i] = sum
}

func (c *crowd) remove(i int) {
	c.gone[i] = true
	for k := range c.left {
		l, r := c.left[k][i], c.right[k][i]
		if l >= 0 {
			c.right[k][l] = r
		}
		if r >= 0 {
			c.left[k][r] = l
		}
	}
	for k := range c.left {
		for _, j := range []int{c.left[k][i], c.right[k][i]} {
			if j >= 0 && !c.gone[j] {
				c.measure(j)
				heap.Push(&c.queue, place{c.distances[j], j})
			}
		}
	}
}
