//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/fakemlflow"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/remote"
)

// scripted returns a new folder with a space and a shell program, and the arguments of
// attune run that tune it.
func scripted(t *testing.T, script string, more ...string) (dir string, run []string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "space.yaml"), []byte(`parameters:
  - {name: x, type: int, low: -20, high: 20}
  - {name: kind, type: categorical, choices: [a, "b c"]}
`), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "train.sh"), []byte("#!/bin/sh\n"+script), 0o755))
	run = append([]string{"run", "--space", "space.yaml"}, more...)
	return dir, append(run, "--", "./train.sh", "--x={x}", "{kind}")
}

// with adds flags, which take precedence, to the arguments of attune run.
func with(run []string, more ...string) []string {
	return slices.Insert(slices.Clone(run), slices.Index(run, "--"), more...)
}

const square = `x=${1#--x=}; echo "attune: step=1 value=$((x*x+1))"; echo "attune: value=$((x*x))"`

// trialLines returns the trials of the only study, as JSON.
func trialLines(t *testing.T, dir string) (all []trialLine) {
	t.Helper()
	for line := range strings.Lines(succeed(t, dir, "trials", "--format", "jsonl")) {
		var one trialLine
		require.NoError(t, json.Unmarshal([]byte(line), &one), line)
		all = append(all, one)
	}
	return all
}

type trialLine struct {
	Number int
	State  string
	Err    string `json:"error"`
}

// states counts trials by their state.
func states(all []trialLine) map[string]int {
	n := map[string]int{}
	for _, t := range all {
		n[t.State]++
	}
	return n
}

func TestRun(t *testing.T) {
	t.Parallel()
	dir, run := scripted(t, square, "--trials", "30", "--seed", "2")
	first := attune(t, dir, run...)
	require.Zero(t, first.code, first.stderr)
	assert.Contains(t, first.stderr, "train: 30 trials\n")
	assert.Regexp(t, `^study train: 30 complete, 0 pruned, 0 failed
best trial: \d+, value \d+
  x     (-?\d+)
  kind  (a|b c)
run it again:
  ATTUNE_SEED=\d+ ./train.sh --x=-?\d+ (a|'b c')
the output of each trial: attune.db.logs/train
$`, first.stdout)
	log, err := os.ReadFile(filepath.Join(dir, "attune.db.logs", "train", "trial-29.log"))
	require.NoError(t, err)
	assert.Contains(t, string(log), "attune: step=1 value=")

	again := attune(t, dir, run...)
	require.Zero(t, again.code, again.stderr)
	assert.Contains(t, again.stderr, "train: all 30 trials are done")
	assert.Equal(t, first.stdout, again.stdout)

	o := attune(t, dir, with(run, "--trials", "32", "--json", "--quiet")...)
	require.Zero(t, o.code, o.stderr)
	assert.Empty(t, o.stderr)
	var report runReport
	require.NoError(t, json.Unmarshal([]byte(o.stdout), &report))
	assert.Equal(t, 32, report.Complete)
	require.Len(t, report.Best, 1)
	var params map[string]any
	require.NoError(t, json.Unmarshal(report.Best[0].Params, &params))
	x := params["x"].(float64)
	assert.Equal(t, []float64{x * x}, report.Best[0].Values)
	line := exec.Command("sh", "-c", report.Best[0].Command)
	line.Dir = dir
	out, err := line.Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "attune: value="+strconv.Itoa(int(x*x))+"\n", "it can be run again")

	run[len(run)-1] = "{x}"
	other := attune(t, dir, run...)
	assert.Equal(t, 1, other.code)
	assert.Equal(t, `attune: study "train" was begun with another command, ./train.sh '--x={x}' '{kind}': use another --name, or continue it with --command-changed`+"\n", other.stderr)
	changed := attune(t, dir, with(run, "--command-changed")...)
	assert.Zero(t, changed.code, changed.stderr)
}

func TestRunObjectives(t *testing.T) {
	t.Parallel()
	dir, run := scripted(t, `x=${1#--x=}; echo "attune: near=$((x*x)) far=$((0-x))"`,
		"--trials", "20", "--direction", "minimize,maximize", "--metrics", "near,far", "--enqueue", "x=0,kind=a")
	o := attune(t, dir, run...)
	require.Zero(t, o.code, o.stderr)
	assert.Regexp(t, `trials are on the Pareto front:
trial  near  far  command
0      0     0    ATTUNE_SEED=\d+ ./train.sh --x=0 a\n`, o.stdout)
}

// With several objectives, the trials that say enough are ended early, too.
func TestRunPrunesObjectives(t *testing.T) {
	t.Parallel()
	dir, run := scripted(t, `x=${1#--x=}; for step in 0 1 2 3; do echo "attune: step=$step value=$((x*x+10)),$((x*x+20))"; sleep 0.02; done; sleep 0.3`,
		"--trials", "14", "--direction", "minimize,minimize", "--enqueue", "x=0,kind=a")
	o := attune(t, dir, run...)
	require.Zero(t, o.code, o.stderr)
	assert.Regexp(t, `, \d+ pruned`, o.stderr)
}

func TestRunMatch(t *testing.T) {
	t.Parallel()
	dir, run := scripted(t, `for i in 1 2 3; do echo "epoch $i: loss $((i*2)).5" >&2; done`, "--trials", "1",
		"--match", `epoch (?P<step>\d+): loss (?P<value>\S+)`)
	o := attune(t, dir, run...)
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stdout, "best trial: 0, value 6.5\n")
}

func TestRunPrintCommand(t *testing.T) {
	t.Parallel()
	dir, run := scripted(t, "touch ran", "--print-command", "--enqueue", "x=-3,kind=b c")
	assert.Regexp(t, `^ATTUNE_SEED=\d+ ./train.sh --x=-3 'b c'\n$`, succeed(t, dir, run...))
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	assert.Len(t, files, 2, "nothing was run or written")
}

func TestRunBadInput(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		script string
		args   []string // replaces all arguments
		more   []string
		want   string
	}{
		"no program":          {args: []string{"--space", "space.yaml"}, want: "which program? Name it, with its arguments, after --"},
		"no space":            {args: []string{"./train.sh"}, want: "which parameters? Name a YAML file with --space"},
		"no such space":       {args: []string{"--space", "no.yaml", "./train.sh"}, want: "--space no.yaml: no such file or directory"},
		"space of a script":   {args: []string{"--space", "train.sh", "./train.sh"}, want: "--space train.sh: invalid declaration: the text is empty"},
		"impossible space":    {args: []string{"--space", "impossible.yaml", "./train.sh"}, want: "--space impossible.yaml: constraint not met: no values were found for which x + y > 5: widen the bounds, or leave out a constraint"},
		"no such program":     {args: []string{"--space", "space.yaml", "./no"}, want: `the program cannot be started: "./no": no such file, or its interpreter does not exist`},
		"without ./":          {args: []string{"--space", "space.yaml", "train.sh"}, want: `the program cannot be started: "train.sh": not found in PATH: a program in this folder is ./train.sh`},
		"not executable":      {args: []string{"--space", "space.yaml", "./space.yaml"}, want: `the program cannot be started: "./space.yaml": permission denied: make it executable (chmod +x), or name its interpreter first, as in python3 ./space.yaml`},
		"unknown place":       {args: []string{"--space", "space.yaml", "./train.sh", "{y}"}, want: `invalid configuration: argument "{y}": there is no parameter "y": the space has x, kind`},
		"flag of the program": {args: []string{"--space", "space.yaml", "--x", "{x}", "./train.sh"}, want: `unknown flag: --x: see attune run --help`},
		"direction":           {more: []string{"--direction", "up"}, want: "--direction up: want one of minimize, maximize"},
		"metrics":             {more: []string{"--metrics", "a,b"}, want: "--metrics a,b: want as many names as --direction has directions, 1"},
		"match":               {more: []string{"--match", "(x"}, want: "--match '(x': error parsing regexp: missing closing ): `(x`"},
		"match without group": {more: []string{"--match", "x"}, want: `invalid configuration: regular expression "x" has no group for a value: write one, as in loss=(\S+), or name it (?P<value>\S+)`},
		"enqueue":             {more: []string{"--enqueue", "x"}, want: "--enqueue x: want pairs NAME=VALUE with commas between them"},
		"enqueue outside":     {more: []string{"--enqueue", "x=99"}, want: `--enqueue 'x=99': parameter "x": value outside the distribution: 99 is not in int [-20, 20]`},
		"workers":             {more: []string{"--workers", "0"}, want: "--workers 0: want 1 to 1024"},
		"stop when":           {more: []string{"--stop-when", "0.01"}, want: "--stop-when 0.01: want a share from 0% to 100%, such as 1% or regret:1%"},
		"stop when of regret": {more: []string{"--stop-when", "regret:none"}, want: "--stop-when regret:none: want a share from 0% to 100%, such as 1% or regret:1%"},
		"stop when of two":    {more: []string{"--stop-when", "1%", "--direction", "minimize,minimize"}, want: "--stop-when: it needs a single objective"},
		"lag":                 {more: []string{"--lag", "-1"}, want: "--lag -1: want 0 to 1000000"},
		"sampler":             {more: []string{"--sampler", "best"}, want: "--sampler best: want one of "},
		"always failing": {script: "echo no data >&2; exit 7", more: []string{"--quiet"},
			want: `study "train": too many failures in a row: 10, the last in trial 9: exit status 7: no data`},
		"no value": {script: "echo hello", more: []string{"--trials", "1", "--quiet"},
			want: `study "train": too many failures in a row: 10, the last in trial 9: bad output: the program printed no value: want a line "attune: value=0.39", or a regular expression that finds it`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, run := scripted(t, tc.script, tc.more...)
			if tc.args != nil {
				run = append([]string{"run"}, tc.args...)
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, "impossible.yaml"), []byte("parameters:\n- {name: x, type: float, low: 0, high: 1}\n- {name: y, type: int, low: 0, high: 3}\nconstraints: [x + y > 5]\n"), 0o644))
			o := attune(t, dir, run...)
			assert.Equal(t, 1, o.code)
			assert.True(t, strings.HasPrefix(o.stderr, "attune: "+tc.want), o.stderr)
			assert.Equal(t, 1, countLines(o.stderr), o.stderr)
			assert.NotContains(t, o.stderr, "; ;", "the last line of a program's output is there once")
			assert.Empty(t, o.stdout)
		})
	}
}

// begin starts a command and returns its lines of standard error.
func begin(t *testing.T, dir string, args ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := program(t, dir, args...)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return cmd, bufio.NewScanner(stderr)
}

// appear waits for files.
func appear(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		require.Eventually(t, func() bool { return exists(filepath.Join(dir, name)) }, time.Minute, 5*time.Millisecond, name)
	}
}

// gone waits until the process whose id is in a file has ended.
func gone(t *testing.T, dir, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, file))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
			_, state, _ := strings.Cut(string(stat), ") ")
			return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
		}
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	}, time.Minute, 5*time.Millisecond)
}

// waiting is a program that waits, unless there is a file go.
const waiting = `[ -e go ] && { echo attune: value=1; exit; }
echo $$ > pid.$ATTUNE_WORKER.new; mv pid.$ATTUNE_WORKER.new pid.$ATTUNE_WORKER; while :; do sleep 0.01; done`

// However attune run ends, no program continues, and the study resumes.
func TestRunInterrupted(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		once   os.Signal
		twice  bool
		ended  bool // the programs ended by themselves
	}{
		"once":    {script: "trap 'touch ended; exit 0' TERM\n" + waiting, once: os.Interrupt, ended: true},
		"twice":   {script: "trap '' TERM\n" + waiting, once: os.Interrupt, twice: true},
		"hung up": {script: "trap 'touch ended; exit 0' TERM\n" + waiting, once: syscall.SIGHUP, ended: true},
		"killed":  {script: waiting, once: os.Kill},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.once == os.Kill && runtime.GOOS != "linux" {
				t.Skip("only Linux kills the children of a process that is killed")
			}
			if tc.once == syscall.SIGHUP && signal.Ignored(syscall.SIGHUP) {
				t.Skip("these tests run under nohup, which attune obeys")
			}
			t.Parallel()
			dir, run := scripted(t, tc.script, "--trials", "3", "--workers", "2", "--kill-after", "1h", "--grace", "1s")
			cmd, stderr := begin(t, dir, run...)
			appear(t, dir, "pid.0", "pid.1")
			require.NoError(t, cmd.Process.Signal(tc.once))
			last := ""
			for stderr.Scan() {
				last = stderr.Text()
				if tc.twice && strings.HasPrefix(last, "interrupted: the programs have 1h0m0s to end") {
					require.NoError(t, cmd.Process.Signal(os.Interrupt))
				}
			}
			require.Error(t, cmd.Wait())
			gone(t, dir, "pid.0")
			gone(t, dir, "pid.1")
			assert.Equal(t, tc.ended, exists(filepath.Join(dir, "ended")))
			if tc.once == os.Kill {
				assert.Equal(t, map[string]int{"running": 2}, states(trialLines(t, dir)))
			} else {
				assert.Equal(t, 130, cmd.ProcessState.ExitCode())
				assert.Equal(t, `attune: interrupted: study "train" keeps its trials: run the same command again to resume`, last)
				assert.Equal(t, map[string]int{"failed": 2, "waiting": 2}, states(trialLines(t, dir)))
				assert.Contains(t, succeed(t, dir, "trials"), ",interrupted,")
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o644))
			o := attune(t, dir, run...)
			require.Zero(t, o.code, o.stderr)
			n := states(trialLines(t, dir))
			delete(n, "waiting") // whether there is one depends on when the dead were found
			assert.Equal(t, map[string]int{"failed": 2, "complete": 3}, n, "no trial is lost")
		})
	}
}

// ledgers is a server of studies that can refuse what became of trials, or go away.
type ledgers struct {
	url           string
	refuses, away atomic.Bool
}

func newLedgers(t *testing.T) *ledgers {
	t.Helper()
	l := new(ledgers)
	h := remote.NewHandler(new(memory.Store))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case l.away.Load():
			panic(http.ErrAbortHandler) // which closes the connection
		case l.refuses.Load() && strings.HasSuffix(r.URL.Path, "/write"):
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		default:
			h.ServeHTTP(w, r)
		}
	}))
	l.url = s.URL
	t.Cleanup(func() {
		s.Close()
		assert.NoError(t, h.Close())
	})
	return l
}

// until scans lines until one contains a text, and returns it.
func until(t *testing.T, lines *bufio.Scanner, text string) string {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return lines.Text()
		}
	}
	require.Fail(t, "there is no line with "+text)
	return ""
}

// A storage that refuses a trial is an error, after the report of the others.
func TestRunRefused(t *testing.T) {
	t.Parallel()
	l := newLedgers(t)
	dir, run := scripted(t, `[ -e one ] && { touch two; until [ -e go ]; do sleep 0.01; done; }; touch one; echo attune: value=7`, "--trials", "3", "--quiet", "--storage", l.url)
	cmd := program(t, dir, run...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	appear(t, dir, "two")
	l.refuses.Store(true)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o644))
	require.Error(t, cmd.Wait())
	assert.Equal(t, 1, cmd.ProcessState.ExitCode())
	assert.Contains(t, stdout.String(), "best trial: 0, value 7")
	assert.Regexp(t, `^attune: study "train": tell: trial 1: .*not recorded: its values \[7\]\n$`, stderr.String())
}

// The command says when it waits for a server, and can be interrupted while it waits.
func TestRunAway(t *testing.T) {
	for name, interrupted := range map[string]bool{"and is back": false, "and is not waited for": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedgers(t)
			dir, run := scripted(t, `touch begun; until [ -e go ]; do sleep 0.01; done; echo attune: value=7`, "--trials", "1", "--storage", l.url)
			cmd, stderr := begin(t, dir, run...)
			appear(t, dir, "begun")
			l.away.Store(true)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o644))
			assert.Contains(t, until(t, stderr, " does not answer"), "attune: "+l.url+" does not answer, and attune waits for it: ")
			if !interrupted {
				l.away.Store(false)
				assert.Equal(t, "attune: "+l.url+" answers again", until(t, stderr, " answers again"))
				require.NoError(t, cmd.Wait())
				return
			}
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
			until(t, stderr, "not recorded: its values [7]") // it would take a minute
			until(t, stderr, `attune: interrupted: study "train" keeps its trials`)
			require.Error(t, cmd.Wait())
			assert.Equal(t, 130, cmd.ProcessState.ExitCode())
		})
	}
}

// A second process only needs the same storage.
func TestRunTogether(t *testing.T) {
	t.Parallel()
	// The trials of each process wait for a trial of the other.
	dir, run := scripted(t, `touch $WHO; until [ -e one ] && [ -e two ]; do sleep 0.01; done; echo attune: value=1 attr.who=\"$WHO\"`, "--trials", "12", "--quiet")
	var both sync.WaitGroup
	for _, who := range []string{"one", "two"} {
		cmd := program(t, dir, run...)
		cmd.Env = append(cmd.Env, "WHO="+who)
		both.Go(func() {
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s", out)
		})
	}
	both.Wait()
	n := states(trialLines(t, dir))
	assert.Contains(t, []int{12, 13}, n["complete"], "both may find that one is missing")
	assert.Len(t, n, 1)
	trials := succeed(t, dir, "trials")
	assert.Contains(t, trials, "one")
	assert.Contains(t, trials, "two")
}

// The examples do what their comments say.
func TestRunExamples(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs("../../examples/program")
	require.NoError(t, err)
	in := func(name string) string { return filepath.Join(folder, name) }
	t.Run("gzip.sh", func(t *testing.T) {
		t.Parallel()
		if exec.Command("sh", "-c", "split --filter cat /dev/null && gzip --version").Run() != nil {
			t.Skip("it takes gzip, and the split of GNU coreutils")
		}
		data, err := filepath.Abs("../../data/seattle-weather.csv")
		require.NoError(t, err)
		out := succeed(t, t.TempDir(), "run", "--space", in("gzip.yaml"), "--trials", "10", "--direction", "minimize,minimize", "--metrics", "bytes,level", "--", "sh", in("gzip.sh"), data)
		assert.Regexp(t, `^study gzip: 10 complete, 0 pruned, 0 failed\n\d+ trials are on the Pareto front:\ntrial  bytes +level +command\n`, out)
	})
	t.Run("train.py", func(t *testing.T) {
		t.Parallel()
		python := os.Getenv("ATTUNE_PYTHON")
		if python == "" {
			t.Skip("set ATTUNE_PYTHON to a Python that has scikit-learn: ATTUNE_PYTHON=$(scripts/venv.sh)")
		}
		o := attune(t, t.TempDir(), "run", "--space", in("space.yaml"), "--trials", "2", "--enqueue", "kind=forest,trees=10", "--enqueue", "kind=boosting,trees=10", "--name", "cancer", "--",
			python, in("train.py"), "--folds", "2", "--kind", "{kind}", "--trees", "{trees}", "--depth", "{depth}", "--rate", "{rate}")
		require.Zero(t, o.code, o.stderr)
		assert.Regexp(t, `^study cancer: 2 complete, 0 pruned, 0 failed\nbest trial: [01], value 0\.\d+\n  kind `, o.stdout)
	})
}

// With a lag, the same seed gives the same trials, however many run at once and however
// long each takes.
func TestRunLag(t *testing.T) {
	t.Parallel()
	all := map[string]bool{}
	for _, workers := range []string{"1", "2", "4"} {
		dir, run := scripted(t, "sleep 0.0$(($$ % 4))\n"+square, "--trials", "14", "--lag", "3", "--workers", workers, "--quiet")
		all[succeed(t, dir, run...)] = true
	}
	assert.Len(t, all, 1)
}

func TestRunWarmStart(t *testing.T) {
	t.Parallel()
	dir, run := scripted(t, square, "--trials", "30", "--quiet", "--name", "other")
	succeed(t, dir, run...)
	warm := func(name, from string) []string {
		again := slices.Clone(run)
		again[slices.Index(again, "other")] = name
		again = slices.DeleteFunc(again, func(arg string) bool { return arg == "--quiet" })
		return slices.Insert(again, 1, "--warm-start", from)
	}
	o := attune(t, dir, warm("new", "other")...)
	require.Zero(t, o.code, o.stderr)
	assert.Regexp(t, `new: warm start: x about -?[\d.]+ ± [\d.]+`, o.stderr)
	o = attune(t, dir, warm("new", "new")...)
	require.NotZero(t, o.code)
	assert.Contains(t, o.stderr, "--warm-start new: it is the study itself, which goes on from its own trials anyway")
	o = attune(t, dir, warm("new", "none")...)
	require.NotZero(t, o.code)
	assert.Contains(t, o.stderr, "--warm-start none: ")
}

func TestRunStopWhen(t *testing.T) {
	t.Parallel()
	dir, run := scripted(t, "echo attune: value=1", "--trials", "1000", "--stop-when", "1%")
	o := attune(t, dir, run...)
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stderr, ": stopped: the last 30 trials gained 0% of the distance from the median to the best\n")
	assert.Contains(t, o.stdout, "study train: 60 complete, ")
}

func TestRunStopWhenLittleIsLeft(t *testing.T) {
	t.Parallel()
	dir, run := scripted(t, square, "--trials", "1000", "--stop-when", "regret:1%")
	o := attune(t, dir, run...)
	require.Zero(t, o.code, o.stderr)
	assert.Regexp(t, `: stopped: a Gaussian process expects that at most 0\.\d+% of the distance from the median to the best is left to gain\n`, o.stderr)
	assert.Regexp(t, `study train: [3-9]\d complete, `, o.stdout)
}

func TestRunStopWhenAllIsTheSame(t *testing.T) {
	t.Parallel()
	dir, run := scripted(t, "echo attune: value=1", "--trials", "1000", "--stop-when", "regret:1%")
	o := attune(t, dir, run...)
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stderr, ": stopped: the values of all 30 complete trials are equal\n")
	assert.Contains(t, o.stdout, "study train: 30 complete, ")
}

func TestRunMLflow(t *testing.T) {
	t.Parallel()
	f := fakemlflow.New()
	defer f.Close()
	dir, run := scripted(t, square, "--trials", "3", "--quiet", "--mlflow", f.URL)
	o := attune(t, dir, run...)
	require.Zero(t, o.code, o.stderr)
	assert.Len(t, f.Of("trial"), 3)
}
