package catboost

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attune-hpo/attune/internal/python"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A worker is a Python process that runs train.py. Each line to it is a command: an empty
// line to check that it lives, the folder of a training, or, after each round, go, keep
// (what it has learnt becomes the model) or drop. It answers
//
//	H  length  version          at the start, and to an empty line
//	I  numbers of the sets      after a round: raw predictions, output by output
//	D                           the training is over, and model.json is written
//	E  length  error            it has failed
//
// with little-endian 32-bit lengths and 64-bit numbers.
type worker struct {
	exe   string // the Python executable
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	words *tail       // on its standard error
	timer *time.Timer // ends its rest
	leave func() bool // stops watching ctx
	dead  sync.Once
}

//go:embed train.py
var script string

// patience is how long a worker waits for the next training.
const patience = 10 * time.Second

var (
	mu      sync.Mutex
	resting []*worker
	found   = map[string]string{} // the Python that was found, by the environment variables
)

// hire returns an idle worker, or a new one, for as long as ctx lasts. chosen is a Python
// executable, or "" for the first that has CatBoost.
func hire(ctx context.Context, chosen string) (*worker, error) {
	if chosen == "" {
		chosen = os.Getenv("ATTUNE_CATBOOST_PYTHON")
	}
	candidates := []string{chosen}
	key := chosen
	if chosen == "" {
		candidates = python.Executables()
		key = strings.Join(candidates, "\x00")
	}
	mu.Lock()
	if exe, ok := found[key]; ok {
		candidates = []string{exe}
	}
	mu.Unlock()
	if len(candidates) == 1 {
		for w := rested(candidates[0]); w != nil; w = rested(candidates[0]) {
			w.watch(ctx)
			w.say("")
			if w.hello() == nil {
				return w, nil
			}
			if cause := ctx.Err(); cause != nil {
				return nil, cause
			}
		}
	}
	var tried []string
	for _, exe := range candidates {
		w, err := start(ctx, exe)
		if err == nil {
			mu.Lock()
			found[key] = exe
			mu.Unlock()
			return w, nil
		}
		if cause := ctx.Err(); cause != nil {
			return nil, cause
		}
		tried = append(tried, fmt.Sprintf("%s: %v", exe, err))
	}
	mu.Lock()
	delete(found, key)
	mu.Unlock()
	if tried == nil {
		tried = []string{"no python3 on PATH"}
	}
	return nil, fmt.Errorf("catboost: %w: install CatBoost 1.2 or later (pip install catboost), or set ATTUNE_CATBOOST_PYTHON to a Python that has it; tried: %s", engine.ErrUnavailable, strings.Join(tried, "; "))
}

// rested returns an idle worker with that Python, or nil if there is none.
func rested(exe string) *worker {
	mu.Lock()
	defer mu.Unlock()
	i := slices.IndexFunc(resting, func(w *worker) bool { return w.exe == exe })
	if i < 0 {
		return nil
	}
	w := resting[i]
	resting = slices.Delete(resting, i, i+1)
	w.timer.Stop()
	return w
}

// start starts a worker and waits until it has imported CatBoost.
func start(ctx context.Context, exe string) (*worker, error) {
	w := &worker{exe: exe, words: &tail{}}
	w.cmd = exec.Command(exe, "-W", "ignore", "-c", script)
	w.cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1", "PYTHONDONTWRITEBYTECODE=1")
	w.cmd.Stderr = w.words
	own(w.cmd)
	in, err := w.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.in, w.out = in, bufio.NewReaderSize(out, 1<<16)
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	w.watch(ctx)
	if err := w.hello(); err != nil {
		w.kill()
		return nil, err
	}
	return w, nil
}

// hello receives the worker's first answer, its version of CatBoost.
func (w *worker) hello() error {
	kind, err := w.hear()
	if err != nil {
		return err
	}
	text, err := w.text()
	if err != nil {
		return err
	}
	if kind != 'H' {
		return errors.New(text)
	}
	var major, minor int
	if _, err := fmt.Sscanf(text, "%d.%d", &major, &minor); err != nil || major < 1 || major == 1 && minor < 2 {
		return fmt.Errorf("CatBoost 1.2 or later is needed, this is %s", text)
	}
	return nil
}

// watch kills the worker when ctx ends.
func (w *worker) watch(ctx context.Context) {
	w.leave = context.AfterFunc(ctx, func() { end(w.cmd) })
}

// rest lets an idle worker wait for the next training, for up to patience.
func (w *worker) rest() {
	if !w.leave() { // ctx has ended, and the worker with it
		w.kill()
		return
	}
	mu.Lock()
	defer mu.Unlock()
	resting = append(resting, w)
	w.timer = time.AfterFunc(patience, func() {
		mu.Lock()
		i := slices.Index(resting, w)
		if i >= 0 {
			resting = slices.Delete(resting, i, i+1)
		}
		mu.Unlock()
		if i >= 0 { // no one has just hired it
			w.in.Close() // the process then exits
			w.cmd.Wait()
		}
	})
}

// kill ends the worker at once.
func (w *worker) kill() {
	w.dead.Do(func() {
		w.leave()
		end(w.cmd)
		w.in.Close()
		w.cmd.Wait() // the error only says that it was killed
	})
}

// say sends a line to the worker. If the worker is gone, the next hear reports it.
func (w *worker) say(line string) {
	io.WriteString(w.in, line+"\n")
}

// hear returns the kind of the worker's next answer.
func (w *worker) hear() (byte, error) {
	kind, err := w.out.ReadByte()
	if err != nil {
		return 0, w.gone(err)
	}
	return kind, nil
}

func (w *worker) read(p []byte) error {
	if _, err := io.ReadFull(w.out, p); err != nil {
		return w.gone(err)
	}
	return nil
}

func (w *worker) text() (string, error) {
	var length [4]byte
	if err := w.read(length[:]); err != nil {
		return "", err
	}
	text := make([]byte, min(binary.LittleEndian.Uint32(length[:]), 1<<20))
	if err := w.read(text); err != nil {
		return "", err
	}
	return string(text), nil
}

// gone returns the error of a worker that has ended, with the last lines that it wrote.
func (w *worker) gone(err error) error {
	w.kill()
	if words := w.words.String(); words != "" {
		return fmt.Errorf("catboost: Python ended: %s", words)
	}
	return fmt.Errorf("catboost: Python ended: %v: %w", w.cmd.ProcessState, err)
}

// A tail keeps the end of everything written to it.
type tail struct {
	mu   sync.Mutex
	last []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 2000
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, p...)
	if extra := len(t.last) - most; extra > 0 {
		t.last = append(t.last[:0], t.last[extra:]...)
	}
	return len(p), nil
}

// String returns the last lines, joined into one.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(string(bytes.TrimSpace(t.last)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " | ")
}
