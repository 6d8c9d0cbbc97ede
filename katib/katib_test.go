package katib_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/attune-hpo/attune/katib"
	"github.com/attune-hpo/attune/katib/internal/api"
)

// serve returns a client of a service that has just been started.
func serve(t testing.TB) api.SuggestionClient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	katib.New().Register(server)
	var done sync.WaitGroup
	done.Go(func() { assert.NoError(t, server.Serve(l)) })
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		done.Wait()
	})
	return api.NewSuggestionClient(conn)
}

func double(name, low, high, step string, d api.Distribution) *api.ParameterSpec {
	return &api.ParameterSpec{Name: name, ParameterType: api.ParameterType_DOUBLE, FeasibleSpace: &api.FeasibleSpace{Min: low, Max: high, Step: step, Distribution: d}}
}

func whole(name, low, high, step string, d api.Distribution) *api.ParameterSpec {
	p := double(name, low, high, step, d)
	p.ParameterType = api.ParameterType_INT
	return p
}

func list(name string, kind api.ParameterType, values ...string) *api.ParameterSpec {
	return &api.ParameterSpec{Name: name, ParameterType: kind, FeasibleSpace: &api.FeasibleSpace{List: values}}
}

func experiment(algorithm string, ps ...*api.ParameterSpec) *api.Experiment {
	return &api.Experiment{Name: "exp", Spec: &api.ExperimentSpec{
		ParameterSpecs: &api.ExperimentSpec_ParameterSpecs{Parameters: ps},
		Objective:      &api.ObjectiveSpec{Type: api.ObjectiveType_MINIMIZE, ObjectiveMetricName: "loss", AdditionalMetricNames: []string{"acc"}},
		Algorithm:      &api.AlgorithmSpec{AlgorithmName: algorithm},
	}}
}

// A controller does what Katib's does: it keeps trials, and sends all of them each time.
type controller struct {
	t      *testing.T
	exp    *api.Experiment
	trials []*api.Trial
}

// ask makes n trials that run.
func (c *controller) ask(client api.SuggestionClient, n int) {
	c.t.Helper()
	out, err := client.GetSuggestions(c.t.Context(), &api.GetSuggestionsRequest{
		Experiment: c.exp, Trials: c.trials, CurrentRequestNumber: int32(n), TotalRequestNumber: int32(len(c.trials) + n),
	})
	require.NoError(c.t, err)
	require.Len(c.t, out.ParameterAssignments, n)
	for _, a := range out.ParameterAssignments {
		c.trials = append(c.trials, &api.Trial{
			Name:   "exp-" + strconv.Itoa(len(c.trials)),
			Spec:   &api.TrialSpec{ParameterAssignments: &api.TrialSpec_ParameterAssignments{Assignments: a.Assignments}, Labels: a.Labels},
			Status: &api.TrialStatus{Condition: api.TrialStatus_RUNNING, StartTime: "2026-01-02T03:04:05Z"},
		})
	}
}

func value(t *api.Trial, name string) string {
	for _, a := range t.Spec.ParameterAssignments.Assignments {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

func float(t *api.Trial, name string) float64 {
	x, err := strconv.ParseFloat(value(t, name), 64)
	if err != nil {
		return math.NaN()
	}
	return x
}

func end(t *api.Trial, condition api.TrialStatus_TrialConditionType, loss string) {
	t.Status.Condition = condition
	t.Status.Observation = &api.Observation{Metrics: []*api.Metric{{Name: "acc", Value: "0.5"}, {Name: "loss", Value: loss}}}
}

var searchable = []*api.ParameterSpec{
	double("x", "-1", "1", "", api.Distribution_UNIFORM),
	double("q", "0", "1", "0.25", api.Distribution_DISTRIBUTION_UNSPECIFIED),
	double("lr", "1e-5", "0.1", "", api.Distribution_LOG_UNIFORM),
	double("lq", "0.1", "10", "0.1", api.Distribution_LOG_UNIFORM),
	double("n", "0", "6", "", api.Distribution_NORMAL),
	double("ln", "0.01", "100", "", api.Distribution_LOG_NORMAL),
	whole("i", "-3", "3", "", api.Distribution_UNIFORM),
	whole("s", "2", "11", "4", api.Distribution_UNIFORM),
	whole("il", "1", "1024", "", api.Distribution_LOG_UNIFORM),
	whole("in", "0", "100", "5", api.Distribution_NORMAL),
	list("d", api.ParameterType_DISCRETE, "8", "0.5", "16", "8"),
	list("c", api.ParameterType_CATEGORICAL, "sgd", "adam", "ftrl é"),
	whole("one", "4", "4", "", api.Distribution_LOG_UNIFORM),
}

func TestEveryKindOfParameter(t *testing.T) {
	c := &controller{t: t, exp: experiment("random", searchable...)}
	c.ask(serve(t), 200)
	seen := map[string]map[string]bool{}
	for _, tr := range c.trials {
		require.Len(t, tr.Spec.ParameterAssignments.Assignments, len(searchable))
		for _, a := range tr.Spec.ParameterAssignments.Assignments {
			if seen[a.Name] == nil {
				seen[a.Name] = map[string]bool{}
			}
			seen[a.Name][a.Value] = true
		}
		for name, bounds := range map[string][2]float64{"x": {-1, 1}, "lr": {1e-5, 0.1}, "lq": {0.1, 10}, "n": {0, 6}, "ln": {0.01, 100}, "il": {1, 1024}} {
			assert.True(t, bounds[0] <= float(tr, name) && float(tr, name) <= bounds[1], "%s = %s", name, value(tr, name))
		}
		steps := float(tr, "lq") / 0.1
		assert.InDelta(t, math.Round(steps), steps, 1e-9)
	}
	values := func(name string) []string {
		var out []string
		for v := range seen[name] {
			out = append(out, v)
		}
		slices.Sort(out)
		return out
	}
	assert.Equal(t, []string{"0", "0.25", "0.5", "0.75", "1"}, values("q"))
	assert.Equal(t, []string{"-1", "-2", "-3", "0", "1", "2", "3"}, values("i"))
	assert.Equal(t, []string{"10", "2", "6"}, values("s"))
	assert.Equal(t, []string{"0.5", "16", "8"}, values("d"))
	assert.Equal(t, []string{"adam", "ftrl é", "sgd"}, values("c"))
	assert.Equal(t, []string{"4"}, values("one"))

	// The mean and the deviation of a normal distribution that is cut off at three deviations.
	var sum, squares float64
	for _, tr := range c.trials {
		sum, squares = sum+float(tr, "n"), squares+float(tr, "n")*float(tr, "n")
	}
	mean := sum / 200
	assert.InDelta(t, 3, mean, 0.25)
	assert.InDelta(t, 0.97, squares/200-mean*mean, 0.3)
	for _, v := range values("in") {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		assert.Zero(t, n%5)
	}
}

// search runs an experiment of 60 trials, 3 at a time, and returns its trials. The service
// is started again before each request if restarts says so.
func search(t *testing.T, exp *api.Experiment, restarts bool) []*api.Trial {
	c := &controller{t: t, exp: exp}
	client := serve(t)
	for len(c.trials) < 60 {
		if restarts {
			client = serve(t)
		}
		c.ask(client, 3)
		for i, tr := range c.trials {
			if tr.Status.Condition != api.TrialStatus_RUNNING || i == len(c.trials)-1 { // one goes on
				continue
			}
			x, lr := float(tr, "x"), math.Log10(float(tr, "lr"))
			loss := fmt.Sprint((x-0.3)*(x-0.3) + (lr+3)*(lr+3))
			switch condition := api.TrialStatus_SUCCEEDED; i % 9 {
			case 4:
				end(tr, api.TrialStatus_FAILED, "NaN")
			case 5:
				end(tr, api.TrialStatus_KILLED, "")
			case 6:
				end(tr, api.TrialStatus_EARLYSTOPPED, loss)
			case 7:
				end(tr, condition, "unavailable")
			default:
				end(tr, condition, loss)
			}
		}
	}
	return c.trials
}

// late returns the mean loss of the last trials.
func late(trials []*api.Trial) float64 {
	sum, n := 0.0, 0
	for _, t := range trials[30:] {
		for _, m := range t.Status.GetObservation().GetMetrics() {
			if x, err := strconv.ParseFloat(m.Value, 64); err == nil && m.Name == "loss" && t.Status.Condition == api.TrialStatus_SUCCEEDED {
				sum, n = sum+x, n+1
			}
		}
	}
	return sum / float64(n)
}

// A search is the same whether or not the pod is restarted, and better than chance.
func TestARestartChangesNothing(t *testing.T) {
	ps := []*api.ParameterSpec{searchable[0], searchable[2], searchable[11]}
	random := late(search(t, experiment("random", ps...), false))
	for _, algorithm := range []string{"tpe", "gp", "nsga2", "sobol"} {
		t.Run(algorithm, func(t *testing.T) {
			once, often := search(t, experiment(algorithm, ps...), false), search(t, experiment(algorithm, ps...), true)
			for i := range once {
				require.Equal(t, once[i].String(), often[i].String())
			}
			if algorithm == "tpe" || algorithm == "gp" {
				assert.Less(t, late(once), random/2)
			}
		})
	}
	t.Run("auto", func(t *testing.T) {
		assert.Less(t, late(search(t, experiment("auto", ps...), false)), random/2)
		assert.Less(t, late(search(t, experiment("auto", ps...), true)), random/2)
	})
	t.Run("cmaes", func(t *testing.T) { // which keeps the state of its search in memory
		assert.Less(t, late(search(t, experiment("cmaes", ps[:2]...), false)), random)
		assert.Less(t, late(search(t, experiment("cmaes", ps[:2]...), true)), random)
	})
}

func TestMaximize(t *testing.T) {
	exp := experiment("tpe", searchable[0])
	exp.Spec.Objective.Type = api.ObjectiveType_MAXIMIZE
	c := &controller{t: t, exp: exp}
	client := serve(t)
	for range 40 {
		c.ask(client, 1)
		last := c.trials[len(c.trials)-1]
		end(last, api.TrialStatus_SUCCEEDED, value(last, "x"))
	}
	var late float64
	for _, tr := range c.trials[30:] {
		late += float(tr, "x") / 10
	}
	assert.Greater(t, late, 0.5)
}

// A grid gives out each configuration once, also when trials run, vanish or come from
// elsewhere.
func TestGrid(t *testing.T) {
	c := &controller{t: t, exp: experiment("grid", searchable[11], whole("i", "1", "2", "", 0))}
	c.ask(serve(t), 4)
	c.ask(serve(t), 2)
	seen := map[string]bool{}
	for _, tr := range c.trials {
		seen[value(tr, "c")+value(tr, "i")] = true
	}
	assert.Len(t, seen, 6)
	_, err := serve(t).GetSuggestions(t.Context(), &api.GetSuggestionsRequest{Experiment: c.exp, Trials: c.trials, CurrentRequestNumber: 1})
	assert.Equal(t, codes.ResourceExhausted, status.Code(err))

	for _, tr := range c.trials {
		tr.Spec.Labels = nil
	}
	_, err = serve(t).GetSuggestions(t.Context(), &api.GetSuggestionsRequest{Experiment: c.exp, Trials: c.trials, CurrentRequestNumber: 1})
	assert.Equal(t, codes.ResourceExhausted, status.Code(err))
}

// No number is assigned twice, although Katib leaves out trials without metrics.
func TestATrialThatVanishes(t *testing.T) {
	c := &controller{t: t, exp: experiment("random", searchable[0])}
	client := serve(t)
	c.ask(client, 3)
	gone := value(c.trials[1], "x")
	c.trials = slices.Delete(c.trials, 1, 2)
	c.ask(client, 2)
	for _, tr := range c.trials {
		assert.NotEqual(t, gone, value(tr, "x"))
	}
	assert.Equal(t, "4", c.trials[3].Spec.Labels[katib.Label])
}

func TestBadExperiments(t *testing.T) {
	client := serve(t)
	ok := searchable[0]
	with := func(name string, value string) *api.Experiment {
		e := experiment("tpe", ok)
		e.Spec.Algorithm.AlgorithmSettings = []*api.AlgorithmSetting{{Name: name, Value: value}}
		return e
	}
	noType := experiment("tpe", ok)
	noType.Spec.Objective = nil
	for want, e := range map[string]*api.Experiment{
		"it has no parameters":                 nil,
		"bad experiment: it has no parameters": experiment("tpe"),
		`algorithm "darts": want one of auto, tpe, multivariate-tpe, bayesianoptimization, gp, cmaes, nsga2`: experiment("darts", ok),
		`algorithm tpe has no setting "gamma": want one of n_startup_trials, n_ei_candidates, random_state`:  with("gamma", "1"),
		`n_startup_trials "-1": want a whole number from 0`:                                                  with("n_startup_trials", "-1"),
		`random_state "x": want a whole number from 0`:                                                       with("random_state", "x"),
		"its objective has the type UNKNOWN: want minimize or maximize":                                      noType,
		`algorithm grid: parameter "x": there are too many configurations: give it a step, or fewer values`:  experiment("grid", ok),
		`there are two parameters named "x"`:                                                                 experiment("tpe", ok, ok),
		`parameter "x": min "": want a number`:                                                               experiment("tpe", double("x", "", "1", "", 0)),
		`parameter "x": max "many": want a number`:                                                           experiment("tpe", double("x", "0", "many", "", 0)),
		`parameter "x": max "NaN": want a number`:                                                            experiment("tpe", double("x", "0", "NaN", "", 0)),
		`parameter "x": min 2 is above max 1`:                                                                experiment("tpe", double("x", "2", "1", "", 0)),
		`parameter "x": step -1 is negative`:                                                                 experiment("tpe", double("x", "0", "1", "-1", 0)),
		`parameter "x": min 0: a logarithmic scale needs one above 0`:                                        experiment("tpe", double("x", "0", "1", "", api.Distribution_LOG_NORMAL)),
		`parameter "x": min "0.5": want a whole number, or the type double`:                                  experiment("tpe", whole("x", "0.5", "1", "", 0)),
		`parameter "x": its list is empty`:                                                                   experiment("tpe", list("x", api.ParameterType_DISCRETE)),
		`parameter "c": its list is empty`:                                                                   experiment("tpe", list("c", api.ParameterType_CATEGORICAL)),
		`parameter "x": "a" in its list: want a number, or the type categorical`:                             experiment("tpe", list("x", api.ParameterType_DISCRETE, "a")),
		`parameter "x": want the type double, int, discrete or categorical`:                                  experiment("tpe", &api.ParameterSpec{Name: "x"}),
		`choice "a" is duplicated`:                                                                           experiment("tpe", list("x", api.ParameterType_CATEGORICAL, "a", "a")),
		`parameter 0 has no name`:                                                                            experiment("tpe", double("", "0", "1", "", 0)),
	} {
		_, err := client.ValidateAlgorithmSettings(t.Context(), &api.ValidateAlgorithmSettingsRequest{Experiment: e})
		assert.Equal(t, codes.InvalidArgument, status.Code(err), want)
		assert.ErrorContains(t, err, want)
		_, again := client.GetSuggestions(t.Context(), &api.GetSuggestionsRequest{Experiment: e, CurrentRequestNumber: 1})
		assert.Equal(t, err.Error(), again.Error())
	}
	for _, a := range []string{"auto", "tpe", "multivariate-tpe", "bayesianoptimization", "gp", "cmaes", "nsga2", "sobol", "random"} {
		_, err := client.ValidateAlgorithmSettings(t.Context(), &api.ValidateAlgorithmSettingsRequest{Experiment: experiment(a, searchable...)})
		assert.NoError(t, err, a)
	}
	for name, v := range map[string]string{"n_startup_trials": "0", "n_ei_candidates": "5", "random_state": "7"} {
		_, err := client.ValidateAlgorithmSettings(t.Context(), &api.ValidateAlgorithmSettingsRequest{Experiment: with(name, v)})
		assert.NoError(t, err, name)
	}
	for _, n := range []int32{-1, 1 << 30} {
		_, err := client.GetSuggestions(t.Context(), &api.GetSuggestionsRequest{Experiment: experiment("tpe", ok), CurrentRequestNumber: n})
		assert.Equal(t, codes.InvalidArgument, status.Code(err))
	}
}

// Trials from a changed space, and trials without content, cause no error.
func TestOddTrials(t *testing.T) {
	odd := []*api.Trial{
		{}, nil, {Name: "a", Spec: &api.TrialSpec{Labels: map[string]string{katib.Label: "99999999999"}}},
		{Spec: &api.TrialSpec{Labels: map[string]string{katib.Label: "0"}, ParameterAssignments: &api.TrialSpec_ParameterAssignments{
			Assignments: []*api.ParameterAssignment{{Name: "x", Value: "many"}, {Name: "gone", Value: "1"}}}}},
		{Spec: &api.TrialSpec{Labels: map[string]string{katib.Label: "0"}}},
	}
	for _, a := range []string{"auto", "tpe", "gp", "cmaes", "nsga2", "sobol", "random"} {
		c := &controller{t: t, exp: experiment(a, searchable...), trials: slices.DeleteFunc(slices.Clone(odd), func(t *api.Trial) bool { return t == nil })}
		c.ask(serve(t), 2)
	}
}

// Assignments may come in any order. If a name occurs several times, the last one counts.
func TestOrderOfAssignments(t *testing.T) {
	client := serve(t)
	suggest := func(change func(as []*api.ParameterAssignment) []*api.ParameterAssignment) string {
		in := large()
		in.Trials = in.Trials[:50]
		for _, t := range in.Trials {
			t.Spec.ParameterAssignments.Assignments = change(t.Spec.ParameterAssignments.Assignments)
		}
		out, err := client.GetSuggestions(t.Context(), in)
		require.NoError(t, err)
		return out.String()
	}
	want := suggest(func(as []*api.ParameterAssignment) []*api.ParameterAssignment { return as })
	assert.Equal(t, want, suggest(func(as []*api.ParameterAssignment) []*api.ParameterAssignment {
		slices.Reverse(as)
		return as
	}))
	assert.Equal(t, want, suggest(func(as []*api.ParameterAssignment) []*api.ParameterAssignment {
		return slices.Insert(as, 1, &api.ParameterAssignment{Name: as[2].Name, Value: "0"})
	}))
	assert.Equal(t, want, suggest(func(as []*api.ParameterAssignment) []*api.ParameterAssignment {
		return slices.Insert(as, 0, &api.ParameterAssignment{Name: as[0].Name, Value: "0"})
	}))
	assert.NotEqual(t, want, suggest(func(as []*api.ParameterAssignment) []*api.ParameterAssignment {
		as[0].Value, as[1].Value = as[1].Value, as[0].Value
		return as
	}))
}

// large returns a request with 10,000 trials of ten parameters.
func large() *api.GetSuggestionsRequest {
	var ps []*api.ParameterSpec
	for i := range 10 {
		ps = append(ps, double("x"+strconv.Itoa(i), "0", "1", "", 0))
	}
	in := &api.GetSuggestionsRequest{Experiment: experiment("tpe", ps...), CurrentRequestNumber: 1}
	for n := range 10_000 {
		t := &api.Trial{Spec: &api.TrialSpec{Labels: map[string]string{katib.Label: strconv.Itoa(n)}, ParameterAssignments: &api.TrialSpec_ParameterAssignments{}}, Status: &api.TrialStatus{}}
		for i, p := range ps {
			t.Spec.ParameterAssignments.Assignments = append(t.Spec.ParameterAssignments.Assignments, &api.ParameterAssignment{Name: p.Name, Value: fmt.Sprint(math.Mod(float64(n)*0.618034+float64(i)*0.1, 1))})
		}
		end(t, api.TrialStatus_SUCCEEDED, fmt.Sprint(n%977))
		in.Trials = append(in.Trials, t)
	}
	return in
}

// BenchmarkSuggest asks once with [large].
func BenchmarkSuggest(b *testing.B) {
	in := large()
	service := katib.New()
	for b.Loop() {
		out, err := service.GetSuggestions(context.Background(), in)
		require.NoError(b, err)
		require.Len(b, out.ParameterAssignments, 1)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/(1<<20), "MiB")
}

// BenchmarkServed asks with [large] over gRPC, as Katib's controller does: the command attune
// katib that listens at the address in ATTUNE_KATIB.
func BenchmarkServed(b *testing.B) {
	address := os.Getenv("ATTUNE_KATIB")
	if address == "" {
		b.Skip("start attune katib, and set ATTUNE_KATIB to its address")
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(b, err)
	defer conn.Close()
	client, in := api.NewSuggestionClient(conn), large()
	for b.Loop() {
		out, err := client.GetSuggestions(context.Background(), in)
		require.NoError(b, err)
		require.Len(b, out.ParameterAssignments, 1)
	}
}
