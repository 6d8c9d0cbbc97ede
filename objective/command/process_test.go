//go:build unix

package command_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/command"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// Tests run real programs: scripts of sh.

var lr, layers = space.Float("lr", 0.1, 1), space.Int("layers", 1, 6)

// always is a pruner that prunes every trial at step 1.
type always struct{}

func (always) Prune(t trial.Record, _ trial.Snapshot) (string, bool) {
	return "enough", t.LastStep() >= 1
}

// A test is a study of one trial.
type test struct {
	script string
	cfg    command.Config
	study  study.Config
	run    study.Run
}

// result runs the study and returns its trial.
func (c test) result(t *testing.T) trial.Record {
	t.Helper()
	if c.cfg.Args == nil {
		c.cfg.Args = []string{"sh", "-c", c.script}
	}
	c.cfg.Space = space.Of(lr, layers)
	c.study.Space, c.study.Sampler, c.study.Seed = c.cfg.Space, random.Sampler{}, 3
	o, err := command.New(c.cfg)
	require.NoError(t, err)
	st, err := study.Create(t.Context(), new(memory.Store), "test", c.study)
	require.NoError(t, err)
	defer st.Close()
	c.run.Trials = 1
	require.NoError(t, st.Optimize(t.Context(), o, c.run))
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, h.Len())
	return h.Records()[0]
}

func TestValues(t *testing.T) {
	t.Parallel()
	two := study.Config{Directions: make([]trial.Direction, 2), Metrics: []string{"error", "seconds"}}
	for name, c := range map[string]struct {
		test
		want []float64
		err  string // of a trial that fails
	}{
		"value":                  {test: test{script: "echo attune: value=0.39"}, want: []float64{0.39}},
		"no newline at the end":  {test: test{script: "printf 'hello\nattune: value=0.39'"}, want: []float64{0.39}},
		"the last value":         {test: test{script: "echo attune: value=1; echo attune: value=2"}, want: []float64{2}},
		"infinite":               {test: test{script: "echo attune: value=inf"}, want: []float64{1 / zero()}},
		"the last step":          {test: test{script: "echo attune: step=1 value=3; echo attune: step=2 value=2"}, want: []float64{2}},
		"a step twice":           {test: test{script: "echo attune: step=1 value=3; echo attune: step=1 value=4; echo attune: value=2"}, want: []float64{2}},
		"the last step of two":   {test: test{script: "echo attune: step=1 value=3,1; echo attune: step=2 value=2,4", study: two}, want: []float64{2, 4}},
		"a line of 10 MB":        {test: test{script: "head -c 10000000 /dev/zero | tr '\\0' x; echo; echo attune: value=4"}, want: []float64{4}},
		"10 MB without any line": {test: test{script: "echo attune: value=4; head -c 10000000 /dev/zero | tr '\\0' x"}, want: []float64{4}},
		"of two objectives":      {test: test{script: "echo attune: value=1,2", study: two}, want: []float64{1, 2}},
		"of two, by name": {test: test{script: "echo attune: seconds=2; echo attune: error=1", study: two,
			cfg: command.Config{Metrics: two.Metrics}}, want: []float64{1, 2}},
		"found in standard error": {test: test{script: "echo loss: 3 >&2; echo loss: 2 >&2",
			cfg: command.Config{Matches: []*regexp.Regexp{regexp.MustCompile(`loss: (\S+)`)}}}, want: []float64{2}},
		"background process": {test: test{script: "(sleep 0.1; echo attune: value=5) & exit 0"}, want: []float64{5}},
		"closed output":      {test: test{script: "echo attune: value=6; exec >&- 2>&-; exit 0"}, want: []float64{6}},

		"NaN": {test: test{script: "echo attune: value=nan"}, err: "bad values: the value is NaN"},
		"none": {test: test{script: "echo hello"},
			err: `bad output: the program printed no value: want a line "attune: value=0.39", or a regular expression that finds it`},
		"one of two":         {test: test{script: "echo attune: value=1", study: two}, err: "bad values: [1] has 1, the number of objectives is 2"},
		"one of two, named":  {test: test{script: "echo attune: error=1", study: two, cfg: command.Config{Metrics: two.Metrics}}, err: `bad output: the program printed no value of "seconds"`},
		"step of two":        {test: test{script: "echo attune: step=1 value=1; exec sleep 1000", study: two}, err: "trial 0: report: wrong number of objectives: [1] has 1, the number of objectives is 2"},
		"unreadable line":    {test: test{script: "echo attune: vlaue=1; exec sleep 1000"}, err: `bad output: line "attune: vlaue=1": vlaue: unknown key: want one of step, value, constraint.NAME, attr.NAME`},
		"exit status":        {test: test{script: "echo attune: value=1; exit 3"}, err: "exit status 3: attune: value=1\n\nattune: value=1"},
		"exit with a reason": {test: test{script: "echo a >&2; echo 'ValueError: b' >&2; echo; exit 1"}, err: "exit status 1: ValueError: b\n\na\nValueError: b"},
		"killed by a signal": {test: test{script: "kill -9 $$"}, err: "signal: killed"},
		"missing program":    {test: test{cfg: command.Config{Args: []string{"./{layers}"}}}, err: `the program cannot be started: "./6": no such file, or its interpreter does not exist`},
		"own time limit": {test: test{script: "exec sleep 1000", run: study.Run{TrialTimeout: 50 * time.Millisecond}},
			err: "trial timed out after 50ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := c.result(t)
			assert.Equal(t, c.want, r.Values)
			if c.err == "" {
				assert.Equal(t, trial.Complete, r.State, r.Err)
				return
			}
			assert.Equal(t, trial.Failed, r.State)
			assert.Equal(t, c.err, r.Err)
		})
	}
}

func zero() float64 { return 0 }

// The program gets its parameters in each of the ways that it may read them.
func TestParameters(t *testing.T) {
	t.Setenv("ATTUNE_PARAM_stale", "of a run around this one")
	dir := t.TempDir()
	r := test{cfg: command.Config{
		Args: []string{"sh", "-c", `printf '%s|' "$@" $ATTUNE_PARAM_lr $ATTUNE_PARAM_layers $ATTUNE_TRIAL $ATTUNE_SEED "${ATTUNE_PARAM_stale-none}" $EXTRA; cat $ATTUNE_PARAMS; echo attune: value=1`,
			"sh", "{lr}", "--layers={layers}", "$(touch injected) '\"", "{trial}", "{seed}"},
		Logs: filepath.Join(dir, "logs"), Env: []string{"EXTRA=more"},
	}}.result(t)
	require.Equal(t, trial.Complete, r.State, r.Err)
	rate, _ := lr.Value(r)
	n, _ := layers.Value(r)
	text := strconv.FormatFloat(rate, 'g', -1, 64)
	file, err := os.ReadFile(filepath.Join(dir, "logs", "trial-0.json"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"lr": `+text+`, "layers": `+strconv.Itoa(n)+`}`, string(file))
	log, err := os.ReadFile(filepath.Join(dir, "logs", "trial-0.log"))
	require.NoError(t, err)
	lines := strings.Split(string(log), "\n")
	require.Len(t, lines, 5)
	fields := strings.Split(lines[1], "|")
	require.Len(t, fields, 12, lines[1])
	seed := fields[4]
	assert.Equal(t, []string{text, "--layers=" + strconv.Itoa(n), "$(touch injected) '\"", "0", seed, text, strconv.Itoa(n), "0", seed, "none", "more", strings.TrimSpace(string(file))}, fields)
	_, err = strconv.ParseInt(seed, 10, 32)
	assert.NoError(t, err, "any generator takes the seed")
	assert.Regexp(t, `^# attune: sh -c .* '\$\(touch injected\) '\\''"' 0 `+seed, lines[0])
	assert.Equal(t, "attune: value=1", lines[2])
	assert.Regexp(t, `^# attune: exit status 0 after `, lines[3])
	assert.NoFileExists(t, "injected")
}

func TestConstraintsAndAttributes(t *testing.T) {
	t.Parallel()
	r := test{script: `echo attune: step=1 value=2 attr.epochs=12; echo 'attune: value=1 constraint.memory=0.5 attr.note="two words" attr.epochs=13'`}.result(t)
	require.Equal(t, trial.Complete, r.State, r.Err)
	assert.Equal(t, []trial.Constraint{{Name: "memory", Value: 0.5}}, r.Constraints)
	assert.Equal(t, trial.Attrs{{Key: "epochs", JSON: "13"}, {Key: "note", JSON: `"two words"`}}, r.Attrs)
	assert.Equal(t, []trial.Report{{Step: 1, Value: 2}}, r.Reports)
}

// A file that is not a program is refused once, rather than once for each trial that may fail.
func TestNotExecutable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "train")
	require.NoError(t, os.WriteFile(file, []byte("echo attune: value=1\n"), 0o755)) // a shell would run it
	o, err := command.New(command.Config{Args: []string{file}})
	require.NoError(t, err)
	st, err := study.Create(t.Context(), new(memory.Store), "test", study.Config{Sampler: random.Sampler{}})
	require.NoError(t, err)
	defer st.Close()
	err = st.Optimize(t.Context(), o, study.Run{Trials: 5, Fatal: command.Unstartable})
	require.ErrorIs(t, err, command.ErrStart)
	assert.Contains(t, err.Error(), "exec format error: a script needs a first line such as #!/bin/sh, or name its interpreter first, as in sh "+file)
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, h.Len())
}

// Workers share the machine.
func TestWorkers(t *testing.T) {
	t.Setenv("OMP_NUM_THREADS", "") // so that it is restored
	require.NoError(t, os.Unsetenv("OMP_NUM_THREADS"))
	dir := t.TempDir()
	o, err := command.New(command.Config{
		// Each waits for the other, so that they run at once.
		Args: []string{"sh", "-c", `touch $ATTUNE_WORKER; until [ -e 0 ] && [ -e 1 ]; do sleep 0.01; done
echo "attune: value=1 attr.worker=$ATTUNE_WORKER attr.gpus=\"$CUDA_VISIBLE_DEVICES\" attr.threads=$OMP_NUM_THREADS attr.mkl=$MKL_NUM_THREADS"`},
		Dir: dir, Workers: 2, GPUs: []string{"3", "4", "7", "8"}, Threads: 5, Env: []string{"MKL_NUM_THREADS=9"},
	})
	require.NoError(t, err)
	st, err := study.Create(t.Context(), new(memory.Store), "test", study.Config{Sampler: random.Sampler{}})
	require.NoError(t, err)
	defer st.Close()
	require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 2, Workers: 2}))
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	var got []string
	for _, r := range h.Records() {
		require.Equal(t, trial.Complete, r.State, r.Err)
		var all []string
		for _, a := range r.Attrs {
			all = append(all, a.JSON)
		}
		got = append(got, strings.Join(all, " "))
	}
	assert.ElementsMatch(t, []string{`0 "3,4" 5 9`, `1 "7,8" 5 9`}, got)
}

// The causes that end a program early, and what the program may still do.
func TestStopped(t *testing.T) {
	t.Parallel()
	const report = "echo attune: step=0 value=3; echo attune: step=1 value=2; "
	for name, c := range map[string]struct {
		test
		state  trial.State
		err    string
		exists string // a file that the program leaves
	}{
		"pruned": {test: test{script: "trap 'touch ended; exit 0' TERM; " + report + "while :; do sleep 0.01; done",
			study: study.Config{Pruner: always{}}}, state: trial.Pruned, err: "trial pruned: enough", exists: "ended"},
		"what it says after SIGTERM does not count": {test: test{script: "trap 'echo attune: value=0 attr.x=1; exit 0' TERM; " + report + "while :; do sleep 0.01; done",
			study: study.Config{Pruner: always{}}}, state: trial.Pruned, err: "trial pruned: enough"},
		"pruned at its last step": {test: test{script: report, study: study.Config{Pruner: always{}}}, state: trial.Pruned, err: "trial pruned: enough"},
		"SIGTERM is ignored": {test: test{script: "trap '' TERM; " + report + "while :; do sleep 0.01; done", cfg: command.Config{Grace: 20 * time.Millisecond},
			study: study.Config{Pruner: always{}}}, state: trial.Pruned, err: "trial pruned: enough"},
		"no grace": {test: test{script: report + "exec sleep 1000", cfg: command.Config{Grace: -1},
			study: study.Config{Pruner: always{}}}, state: trial.Pruned, err: "trial pruned: enough"},
		"a stopped process": {test: test{script: report + "kill -STOP $$", cfg: command.Config{Grace: 20 * time.Millisecond},
			study: study.Config{Pruner: always{}}}, state: trial.Pruned, err: "trial pruned: enough"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c.cfg.Dir = dir
			r := c.result(t)
			assert.Equal(t, c.state, r.State)
			assert.Equal(t, c.err, r.Err)
			assert.Equal(t, []float64{2}, r.Values)
			assert.Empty(t, r.Attrs)
			if c.exists != "" {
				assert.FileExists(t, filepath.Join(dir, c.exists))
			}
		})
	}
}

// Nothing that a program has started is left when its trial has ended.
func TestGrandchildren(t *testing.T) {
	t.Parallel()
	const child = `sh -c 'trap "" TERM; echo $$ > pid.new; mv pid.new pid; while :; do sleep 0.01; done' `
	const there = "until [ -e pid ]; do sleep 0.01; done; "
	for name, c := range map[string]test{
		"pruned":                      {script: child + "& " + there + "echo attune: step=1 value=1; wait", study: study.Config{Pruner: always{}}},
		"in the foreground":           {script: "(" + there + "echo attune: step=1 value=1) & " + child, study: study.Config{Pruner: always{}}},
		"left behind":                 {script: child + "& " + there + "echo attune: value=1"},
		"left behind, without output": {script: child + ">/dev/null 2>&1 & " + there + "echo attune: value=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.cfg.Dir, c.cfg.Grace = t.TempDir(), 20*time.Millisecond
			r := c.result(t)
			assert.True(t, r.State == trial.Pruned || r.State == trial.Complete, r.Err)
			text, err := os.ReadFile(filepath.Join(c.cfg.Dir, "pid"))
			require.NoError(t, err)
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			require.NoError(t, err)
			require.Eventually(t, func() bool { return dead(pid) }, 10*time.Second, 5*time.Millisecond)
		})
	}
}

// dead reports whether a process runs no more; it may not be reaped yet.
func dead(pid int) bool {
	if text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
		_, after, _ := strings.Cut(string(text), ") ")
		return strings.HasPrefix(after, "Z") || strings.HasPrefix(after, "X")
	}
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// An interrupted trial does not count as failed. If Kill is called, too, there is no grace.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for name, kill := range map[string]bool{"with a grace": false, "and killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			script := "trap 'exit 0' TERM; "
			if kill {
				script = "trap '' TERM; "
			}
			o, err := command.New(command.Config{Args: []string{"sh", "-c", script + "echo attune: step=0 value=1; while :; do sleep 0.01; done"}, Grace: time.Hour})
			require.NoError(t, err)
			st, err := study.Create(t.Context(), new(memory.Store), "test", study.Config{Sampler: random.Sampler{},
				Observer: study.On(func(context.Context, study.Reported) {
					cancel()
					if kill {
						o.Kill()
					}
				})})
			require.NoError(t, err)
			defer st.Close()
			require.ErrorIs(t, st.Optimize(ctx, o, study.Run{Trials: 1}), context.Canceled)
			h, err := st.Snapshot(t.Context())
			require.NoError(t, err)
			require.Len(t, h.Records(), 2, "it is enqueued again")
			r := h.Records()[0]
			assert.Equal(t, trial.Failed, r.State)
			assert.True(t, r.Interrupted())
		})
	}
}

func TestInvocation(t *testing.T) {
	s := space.Of(lr, space.Categorical("kind", "it's", "b"))
	p, err := s.Params(lr.At(0.5), space.Setting{Name: "kind", Value: space.Lit("it's")})
	require.NoError(t, err)
	for want, args := range map[string][]string{
		`ATTUNE_SEED=1 sh 0.5 'kind=it'\''s' 7`:            {"sh", "{lr}", "kind={kind}", "{trial}"},
		`sh 0.5 'it'\''s' 1`:                               {"sh", "{lr}", "{kind}", "{seed}"},
		`ATTUNE_SEED=1 ATTUNE_PARAM_kind='it'\''s' sh 0.5`: {"sh", "{lr}"},
		`ATTUNE_SEED=1 sh ''`:                              {"sh", "{params}"},
	} {
		o, err := command.New(command.Config{Args: args, Space: s})
		require.NoError(t, err)
		assert.Equal(t, want, o.Invocation(7, 1<<33, p, 0).String())
	}
}
