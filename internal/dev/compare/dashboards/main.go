// Dashboards opens studies of several sizes in attune dashboard and in optuna-dashboard, in one
// browser, and prints how long each takes, in parentheses the processor time of its server, and
// what it sends.
//
//	go run ./internal/dev/compare/dashboards -optuna .venv/bin/optuna-dashboard
package main

import (
	"bufio"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/attune-hpo/attune/internal/dev/browser"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/trial"
)

// wait is how long a dashboard has to show its first plot.
const wait = 4 * time.Minute

func main() {
	log.SetFlags(0)
	attune := flag.String("attune", "", "the `path` of attune; by default it is built")
	optuna := flag.String("optuna", "", "the `path` of optuna-dashboard; by default attune is alone")
	sizes := flag.String("trials", "1000,10000,100000", "`numbers` of trials")
	studies := flag.Int("studies", 10_000, "`number` of studies of ten trials, whose list is opened in the end")
	dir := flag.String("dir", "", "a `folder` for the files, which are kept; by default they are not")
	flag.Parse()
	if err := run(context.Background(), *attune, *optuna, *sizes, *studies, *dir); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, attune, optuna, sizes string, studies int, dir string) error {
	if dir == "" {
		made, err := os.MkdirTemp("", "dashboards")
		if err != nil {
			return err
		}
		defer os.RemoveAll(made)
		dir = made
	}
	if attune == "" {
		attune = filepath.Join(dir, "attune")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", attune, "./cmd/attune").CombinedOutput(); err != nil {
			return fmt.Errorf("build attune: %w: %s", err, out)
		}
	}
	fmt.Println("| trials | dashboard | table of trials | first plot | kB sent by then | filter | most memory |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for size := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, fmt.Sprintf("trials-%d.db", n))
		if err := one(ctx, file, n); err != nil {
			return err
		}
		m, err := ours(ctx, attune, file)
		if err != nil {
			return err
		}
		fmt.Printf("| %d | attune | %s |\n", n, m)
		if optuna == "" {
			continue
		}
		if m, err = theirs(ctx, optuna, file); err != nil {
			return err
		}
		fmt.Printf("| %d | optuna-dashboard | %s |\n", n, m)
	}
	if studies == 0 {
		return nil
	}
	file := filepath.Join(dir, fmt.Sprintf("studies-%d.db", studies))
	if err := many(ctx, file, studies); err != nil {
		return err
	}
	return list(ctx, attune, optuna, file)
}

// twenty are the parameters of the large study.
func twenty() space.Space {
	var axes []space.Axer
	for i := range 20 {
		axes = append(axes, space.Float(fmt.Sprintf("p%02d", i), 0, 1))
	}
	return space.Of(axes...)
}

func records(s space.Space, n int) []trial.Record {
	rng := rand.New(rand.NewPCG(1, 1))
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	out := make([]trial.Record, n)
	for i := range out {
		r := trial.Record{State: trial.Complete, Params: space.Params{Space: s, Point: make([]float64, len(s))}, Started: at}
		for k := range r.Params.Point {
			r.Params.Point[k] = rng.Float64()
		}
		at = at.Add(time.Second)
		r.Finished = at
		r.Values = []float64{math.Abs(r.Params.Point[0]-0.3) + 0.1*r.Params.Point[1]}
		out[i] = r
	}
	return out
}

// one makes a file with one study, unless it is there.
func one(ctx context.Context, file string, n int) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	l, err := sqlite.File(file).Create(ctx, trial.Header{Name: "large"})
	if err != nil {
		return err
	}
	_, err = l.Add(ctx, records(twenty(), n)...)
	return cmp.Or(err, l.Close())
}

// many makes a file with many small studies, unless it is there.
func many(ctx context.Context, file string, n int) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	store := &sqlite.Store{Path: file, Sync: sqlite.SyncSeldom}
	keep, err := store.Create(ctx, trial.Header{Name: "study 0"}) // so that the file stays open
	if err != nil {
		return err
	}
	s := space.Of(space.Float("p00", 0, 1), space.Float("p01", 0, 1))
	for i := range n - 1 {
		l, err := store.Create(ctx, trial.Header{Name: fmt.Sprintf("study %d", i+1)})
		if err == nil {
			_, err = l.Add(ctx, records(s, 10)...)
		}
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			return err
		}
	}
	return keep.Close()
}

// A measure is what was measured of one dashboard.
type measure struct {
	table, plot       time.Duration
	tableCPU, plotCPU time.Duration // processor time of the server by then
	sent              int64
	filter            time.Duration // 0 if it has none
	memory            string
}

func (m measure) String() string {
	plot, filter := timed(m.plot, m.plotCPU), "none"
	if m.plot == 0 {
		plot = fmt.Sprintf("none in %v (%.2f s)", wait, m.plotCPU.Seconds())
	}
	if m.filter > 0 {
		filter = m.filter.Round(time.Millisecond).String()
	}
	return fmt.Sprintf("%s | %s | %d | %s | %s", timed(m.table, m.tableCPU), plot, m.sent/1000, filter, m.memory)
}

func timed(wall, cpu time.Duration) string {
	return fmt.Sprintf("%.2f s (%.2f s)", wall.Seconds(), cpu.Seconds())
}

func ours(ctx context.Context, attune, file string) (m measure, err error) {
	root, server, err := start(ctx, attune, file)
	if err != nil {
		return m, err
	}
	defer end(server)
	page := root + "study?name=large"
	m, err = open(ctx, server, page, "document.querySelector('#trials tbody tr')",
		"[...document.images].some((i) => i.src.includes('plot.svg') && i.complete && i.naturalWidth > 0)")
	if err != nil {
		return m, err
	}
	for i := range 6 { // the first is before all trials are read, perhaps
		began := time.Now()
		if _, err := get(ctx, page+"&filter="+url.QueryEscape(fmt.Sprintf("p00<0.5 number>=%d", i+1))); err != nil {
			return m, err
		}
		if took := time.Since(began); i > 0 {
			m.filter = max(m.filter, took)
		}
	}
	m.memory = memory(server)
	return m, nil
}

// start starts attune dashboard.
func start(ctx context.Context, attune, file string) (root string, server *exec.Cmd, err error) {
	server = exec.CommandContext(ctx, attune, "dashboard", "--storage", file, "--listen", "127.0.0.1:0")
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		end(server)
		return "", nil, err
	}
	return strings.TrimSpace(line[strings.LastIndex(line, " ")+1:]), server, nil
}

func theirs(ctx context.Context, optuna, file string) (m measure, err error) {
	root, server, err := startTheirs(ctx, optuna, file)
	if err != nil {
		return m, err
	}
	defer end(server)
	m, err = open(ctx, server, root+"dashboard/studies/1", "document.querySelector('.js-plotly-plot')", "document.querySelector('.js-plotly-plot .scatterlayer .trace path, .js-plotly-plot .gl-canvas')")
	m.memory = memory(server)
	return m, err
}

func startTheirs(ctx context.Context, optuna, file string) (root string, server *exec.Cmd, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	server = exec.CommandContext(ctx, optuna, "sqlite:///"+file, "--host", "127.0.0.1", "--port", port)
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	root = "http://127.0.0.1:" + port + "/"
	for range 600 { // Python takes seconds to start
		if _, err = get(ctx, root+"api/meta"); err == nil {
			return root, server, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	end(server)
	return "", nil, err
}

func end(server *exec.Cmd) {
	server.Process.Kill()
	server.Wait() // it was killed
}

func get(ctx context.Context, address string) (int64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", address, answer.Status)
	}
	return n, err
}

// open opens a page in a browser of its own, and says when two expressions become true.
func open(ctx context.Context, server *exec.Cmd, address, table, plot string) (m measure, err error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	b, err := browser.Start(context.WithoutCancel(ctx))
	if err != nil {
		return m, err
	}
	defer b.Close()
	p, err := b.Page(ctx, 1280, 900, false)
	if err != nil {
		return m, err
	}
	began, idle := time.Now(), processor(server)
	if err := p.Open(ctx, address); err != nil {
		return m, err
	}
	if p.Wait(ctx, table) == nil {
		m.table, m.tableCPU = time.Since(began), processor(server)-idle
	}
	if plot != "" {
		if p.Wait(ctx, plot) == nil {
			m.plot = time.Since(began)
		}
		m.plotCPU = processor(server) - idle
	}
	m.sent = p.Received()
	return m, nil
}

// processor returns the processor time that a process has had.
func processor(c *exec.Cmd) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name of the program may have spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory returns the most memory that a process has had.
func memory(c *exec.Cmd) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if n, err := strconv.Atoi(strings.Fields(kb)[0]); err == nil {
				return fmt.Sprintf("%d MB", n/1000)
			}
		}
	}
	return "unknown"
}

// list opens the list of studies.
func list(ctx context.Context, attune, optuna, file string) error {
	fmt.Print("\n| dashboard | list of studies | kB sent by then | most memory |\n|---|---|---|---|\n")
	root, server, err := start(ctx, attune, file)
	if err != nil {
		return err
	}
	defer end(server)
	m, err := open(ctx, server, root, "document.querySelector('tbody tr')", "")
	if err != nil {
		return err
	}
	fmt.Printf("| attune | %s | %d | %s |\n", timed(m.table, m.tableCPU), m.sent/1000, memory(server))
	if optuna == "" {
		return nil
	}
	root, theirs, err := startTheirs(ctx, optuna, file)
	if err != nil {
		return err
	}
	defer end(theirs)
	if m, err = open(ctx, theirs, root+"dashboard/", "document.querySelector('a[href*=\"/dashboard/studies/\"]')", ""); err != nil {
		return err
	}
	fmt.Printf("| optuna-dashboard | %s | %d | %s |\n", timed(m.table, m.tableCPU), m.sent/1000, memory(theirs))
	return nil
}
