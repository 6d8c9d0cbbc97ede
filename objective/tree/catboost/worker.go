package catboost

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/attune-hpo/attune/internal/python"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A worker is a Python that runs train.py. It is told, line by line: the folder of a
// training; then, after each round, go, keep (what has been learnt is the model) or
// drop. It says
//
//	H  length  version          first of all
//	I  numbers of the sets      after a round: raw predictions, output by output
//	D                           the training is over, and model.json written
//	E  length  error            it has failed
//
// in little-endian 32-bit lengths and 64-bit numbers.
type worker struct {
	exe    string // the Python
	chosen string // what the engine asked for
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	errors *tail
	timer  *time.Timer   // that ends its rest
	leave  func() bool   // ends the watch over ctx
	ended  chan struct{} // closed when the process is gone
}

//go:embed train.py
var script string

// patience is how long a worker waits for the next training.
const patience = 10 * time.Second

var (
	mu      sync.Mutex
	resting []*worker
	found   = map[string]string{} // the Python that was found, by what the environment says
)

// hire returns a worker for as long as ctx lasts: one that rests, or a new one.
// chosen is a Python, or "" for the first that has CatBoost.
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
	for i, w := range resting {
		if len(candidates) == 1 && w.exe == candidates[0] && w.timer.Stop() {
			resting = append(resting[:i:i], resting[i+1:]...)
			mu.Unlock()
			w.watch(ctx)
			return w, nil
		}
	}
	mu.Unlock()
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

// start starts a worker and waits until it has imported CatBoost.
func start(ctx context.Context, exe string) (*worker, error) {
	w := &worker{exe: exe, errors: &tail{}, ended: make(chan struct{})}
	w.cmd = exec.Command(exe, "-W", "ignore", "-c", script)
	w.cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1", "PYTHONDONTWRITEBYTECODE=1")
	w.cmd.Stderr = w.errors
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
	kind, err := w.hear()
	if err != nil {
		return nil, err
	}
	text, err := w.text()
	if err != nil {
		return nil, err
	}
	var major, minor int
	if kind == 'H' {
		if _, err := fmt.Sscanf(text, "%d.%d", &major, &minor); err == nil && (major > 1 || major == 1 && minor >= 2) {
			return w, nil
		}
		text = "CatBoost 1.2 or later is needed, this is " + text
	}
	w.kill()
	return nil, fmt.Errorf("%s", text)
}

// watch has the worker killed when ctx ends.
func (w *worker) watch(ctx context.Context) {
	w.leave = context.AfterFunc(ctx, func() { end(w.cmd) })
}

// rest lets the worker wait for the next training, for a while. It has to be idle.
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
		for i := range resting {
			if resting[i] == w {
				resting = append(resting[:i:i], resting[i+1:]...)
				break
			}
		}
		mu.Unlock()
		w.in.Close() // it ends by itself
		w.cmd.Wait()
	})
}

// kill ends the worker at once.
func (w *worker) kill() {
	w.leave()
	end(w.cmd)
	w.in.Close()
	w.cmd.Wait() // the error is that it was killed
}

// say tells the worker something. That it does not listen, hear will notice.
func (w *worker) say(line string) {
	io.WriteString(w.in, line+"\n")
}

// hear returns the kind of the worker's next word.
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

// gone returns the error of a worker that says no more, with its last words.
func (w *worker) gone(err error) error {
	w.kill()
	if words := w.errors.String(); words != "" {
		return fmt.Errorf("catboost: Python ended: %s", words)
	}
	return fmt.Errorf("catboost: Python ended: %v: %w", w.cmd.ProcessState, err)
}

// A tail keeps the end of what is written to it.
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

// String returns the last lines, on one.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(string(bytes.TrimSpace(t.last)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " | ")
}
