package command

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/study"
)

// The environment variables of a program.
const (
	paramPrefix = "ATTUNE_PARAM_"
	trialVar    = "ATTUNE_TRIAL"
	seedVar     = "ATTUNE_SEED"
	workerVar   = "ATTUNE_WORKER"
	paramsVar   = "ATTUNE_PARAMS"
	threadsVar  = "ATTUNE_THREADS"
)

// variables returns the environment variable of each parameter.
func variables(s space.Space) (map[string]string, error) {
	vars, taken := map[string]string{}, map[string]string{}
	for _, a := range s {
		v := paramPrefix + strings.Map(func(r rune) rune {
			if r < 0x80 && (r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
				return r
			}
			return '_'
		}, a.Name)
		if other, twice := taken[v]; twice {
			return nil, fmt.Errorf("%w: parameters %q and %q have the same environment variable, %s: rename one of them", ErrConfig, other, a.Name, v)
		}
		vars[a.Name], taken[v] = v, a.Name
	}
	return vars, nil
}

// An Invocation says how a program is run for a trial.
type Invocation struct {
	Args []string // the program and its arguments
	Env  []string // variables, NAME=VALUE, in addition to those of this process
	need []string // variables of Env that are needed to repeat the trial
}

// Invocation returns how a worker runs the program for a trial with the given number,
// [study.Trial.Seed] and parameters. It runs nothing.
func (o *Objective) Invocation(number int, seed uint64, params space.Params, worker int) Invocation {
	file := ""
	if o.absolute != "" {
		file = o.file(number, "json")
	}
	return o.invocation(number, seed, params, worker, file)
}

// file returns the path of a file of a trial.
func (o *Objective) file(number int, kind string) string {
	return filepath.Join(o.absolute, fmt.Sprintf("trial-%d.%s", number, kind))
}

func (o *Objective) invocation(number int, seed uint64, params space.Params, worker int, file string) Invocation {
	others := map[string]string{
		trialPlace:  strconv.Itoa(number),
		seedPlace:   strconv.FormatUint(seed>>33, 10), // 31 bits
		workerPlace: strconv.Itoa(worker),
		paramsPlace: file,
	}
	inv := Invocation{Args: o.args.fill(func(place string) (string, bool) {
		if o.cfg.Space.Index(place) >= 0 {
			l, ok := params.Get(place)
			return l.String(), ok
		}
		text, ok := others[place]
		return text, ok
	})}
	seedIs := seedVar + "=" + others[seedPlace]
	inv.Env = []string{trialVar + "=" + others[trialPlace], seedIs, workerVar + "=" + others[workerPlace], paramsVar + "=" + file}
	if !o.args.has(seedPlace) {
		inv.need = append(inv.need, seedIs)
	}
	for name, l := range params.All() {
		v := o.vars[name] + "=" + l.String()
		inv.Env = append(inv.Env, v)
		if !o.args.has(name) && !o.args.has(paramsPlace) {
			inv.need = append(inv.need, v)
		}
	}
	return inv
}

// String returns a shell command line that repeats the trial. The seed and the parameters
// that the arguments lack are set as variables in front.
func (i Invocation) String() string {
	words := make([]string, 0, len(i.need)+len(i.Args))
	for _, v := range i.need {
		name, value, _ := strings.Cut(v, "=")
		words = append(words, name+"="+quote(value))
	}
	for _, a := range i.Args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

// quote quotes an argument for a POSIX shell, if it needs that.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@%,=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// prepare writes the file of parameters for t and returns how to run the program. remove
// removes the file, unless it is kept.
func (o *Objective) prepare(t *study.Trial, worker int) (inv Invocation, remove func(), err error) {
	params := o.existing(t)
	text, err := paramsJSON(params)
	if err != nil {
		return inv, nil, err
	}
	file, remove := "", func() {}
	if o.absolute != "" {
		file = o.file(t.Number(), "json")
		err = os.WriteFile(file, text, 0o666)
	} else {
		file, err = temporary(text)
		remove = func() { os.Remove(file) }
	}
	if err != nil {
		return inv, nil, err
	}
	return o.invocation(t.Number(), t.Seed(), params, worker, file), remove, nil
}

// existing returns the parameters that t has.
func (o *Objective) existing(t *study.Trial) space.Params {
	var p space.Params
	r := t.Record()
	for _, a := range o.cfg.Space {
		if x, ok := r.Params.Coord(a.Name); ok && a.Exists(t) {
			p.Space, p.Point = append(p.Space, a), append(p.Point, x)
		}
	}
	return p
}

// paramsJSON returns an object with a member for each parameter.
func paramsJSON(p space.Params) ([]byte, error) {
	b := []byte("{")
	for name, l := range p.All() {
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		if len(b) > 1 {
			b = append(b, ", "...)
		}
		b = append(append(b, key...), ": "+string(l)...)
	}
	return append(b, "}\n"...), nil
}

func temporary(text []byte) (string, error) {
	f, err := os.CreateTemp("", "attune-*.json")
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return f.Name(), err
}

// absolute is filepath.Abs, because the program may run in another folder.
func absolute(path string) (string, error) { return filepath.Abs(path) }

// inherited returns the environment of this process without parameters. If this process is
// itself the program of a trial, it has the parameters of that trial.
func inherited() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, paramPrefix) })
}

// threadVars are variables from which libraries read their number of threads.
var threadVars = []string{"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
	"BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS",
	"JULIA_NUM_THREADS", "GOMAXPROCS"}

// shared returns the variables by which workers share the machine, and the variable that makes Python write without a
// buffer. It does not change variables that the caller has set.
func (o *Objective) shared(worker int) []string {
	set := func(name string) bool {
		_, ok := os.LookupEnv(name)
		return ok || slices.ContainsFunc(o.cfg.Env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	}
	var vars []string
	if !set("PYTHONUNBUFFERED") {
		vars = append(vars, "PYTHONUNBUFFERED=1")
	}
	if gpus := share(o.cfg.GPUs, worker, o.cfg.Workers); len(gpus) > 0 {
		vars = append(vars, cudaVar+"="+strings.Join(gpus, ","))
	}
	threads := o.cfg.Threads
	if threads == 0 && o.cfg.Workers > 1 {
		threads = max(1, runtime.GOMAXPROCS(0)/o.cfg.Workers)
	}
	if threads <= 0 {
		return vars
	}
	vars = append(vars, fmt.Sprintf("%s=%d", threadsVar, threads))
	for _, name := range threadVars {
		if !set(name) {
			vars = append(vars, fmt.Sprintf("%s=%d", name, threads))
		}
	}
	return vars
}

// share returns a worker's share of the devices.
func share(devices []string, worker, workers int) []string {
	n := len(devices)
	if n == 0 {
		return nil
	}
	if worker %= workers; n < workers {
		return devices[worker%n : worker%n+1]
	}
	return devices[worker*n/workers : (worker+1)*n/workers]
}

const cudaVar = "CUDA_VISIBLE_DEVICES"

// GPUs returns the NVIDIA GPUs of this machine. These are the GPUs in CUDA_VISIBLE_DEVICES
// or, if it is not set, the numbers of those with device files on Linux. There may be none.
func GPUs() []string {
	if text, ok := os.LookupEnv(cudaVar); ok {
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	}
	files, _ := filepath.Glob("/dev/nvidia[0-9]*")
	gpus := make([]string, len(files))
	for i := range files {
		gpus[i] = strconv.Itoa(i) // CUDA's numbering
	}
	return gpus
}
