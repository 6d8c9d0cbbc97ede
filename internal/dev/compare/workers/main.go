// Command workers times several processes on one study in a database: trials a second,
// of five floats drawn at random and five reports, where an objective costs nothing.
// scripts/servers_speed.sh runs it beside Optuna.
//
//	workers -storage URL -workers 4 -trials 1000
//	workers -storage URL -workers 4 -trials 100 -program "python optuna/workers.py"
//	workers -storage URL -has 100000 -open
//	workers -storage a.db -at 13000 -has 1000 -workers 4 -trials 100 -program "python optuna/workers.py"
//
// With -program, that many processes of another program run, as PROGRAM URL STUDY TRIALS, or with -at
// instead of the URL, such as the port of a proxy for the storage. With -has, the study has that many trials before. The
// clock runs from when all of them have opened the study until the last ends. Then all
// trials are read and counted. With -open, no worker runs: a study with the trials of -has is opened and read,
// three times, each time by new connections.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/mysql"
	"github.com/attune-hpo/attune/storage/postgres"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("workers: ")
	url := flag.String("storage", "", "URL of the database, or path of a SQLite file")
	at := flag.String("at", "", "what the other program gets in place of the URL")
	has := flag.Int("has", 0, "trials that the study has before")
	workers := flag.Int("workers", 1, "number of processes")
	trials := flag.Int("trials", 100, "number of trials of all workers together")
	program := flag.String("program", "", "what each worker runs, in place of this program")
	opens := flag.Bool("open", false, "time how long it takes to open a study")
	join := flag.String("join", "", "study to work on: this process is a worker")
	flag.Parse()
	var err error
	if *join != "" {
		err = work(context.Background(), storeAt(*url), *join, *trials)
	} else if *opens {
		err = timeOpening(context.Background(), *url, *has)
	} else {
		err = measure(context.Background(), *url, cmp.Or(*at, *url), *program, *has, *workers, *trials)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// storeAt returns the store in the database of a URL.
func storeAt(url string) storage.Store {
	switch {
	case strings.HasPrefix(url, "mysql://"):
		return mysql.Database(url)
	case strings.HasPrefix(url, "postgres://"):
		return postgres.Database(url)
	}
	return sqlite.File(url)
}

// work runs trials of a study, once it is told to.
func work(ctx context.Context, store storage.Store, name string, trials int) error {
	st, err := study.Load(ctx, store, name, study.Config{Sampler: random.Sampler{}})
	if err != nil {
		return err
	}
	defer st.Close()
	if _, err := st.Snapshot(ctx); err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	for range trials {
		t, err := st.Ask(ctx)
		if err != nil {
			return err
		}
		sum := 0.0
		for i := range 5 {
			x := space.Float("x"+strconv.Itoa(i), -5, 5).Suggest(t)
			sum += x * x
		}
		for step := range 5 {
			if err := t.Report(ctx, step, sum); err != nil {
				return err
			}
		}
		if err := st.Tell(ctx, t, []float64{sum}, nil); err != nil {
			return err
		}
	}
	return nil
}

// measure runs workers on a new study, and prints how fast they were.
func measure(ctx context.Context, url, at, program string, has, workers, trials int) error {
	name := fmt.Sprintf("workers-%d", time.Now().UnixNano())
	store := storeAt(url)
	st, err := study.Create(ctx, store, name, study.Config{Sampler: random.Sampler{}})
	if err != nil {
		return err
	}
	defer st.Close()
	if err := fill(ctx, st, has); err != nil {
		return err
	}
	command := strings.Fields(program)
	if program == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		command = []string{self, "-storage", url, "-join", name, "-trials", strconv.Itoa(trials / workers)}
	} else {
		command = append(command, at, name, strconv.Itoa(trials/workers))
	}
	var cmds []*exec.Cmd
	var starts []func() error
	for range workers {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
			return fmt.Errorf("a worker says %q: %w", line, err)
		}
		cmds = append(cmds, cmd)
		starts = append(starts, func() error { _, err := in.Write([]byte("go\n")); return err })
	}
	begun := time.Now()
	for _, start := range starts {
		if err := start(); err != nil {
			return err
		}
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			return err
		}
	}
	took := time.Since(begun)
	h, err := st.Snapshot(ctx)
	if err != nil {
		return err
	}
	n := trials / workers * workers
	if h.Len() != has+n || h.Count(trial.Complete) != has+n {
		return fmt.Errorf("%d trials, %d of them complete: want %d", h.Len(), h.Count(trial.Complete), has+n)
	}
	fmt.Printf("%d workers: %d trials in %.1f s: %.1f trials/s\n", workers, n, took.Seconds(), float64(n)/took.Seconds())
	return nil
}

// timeOpening makes a study, and prints how long it takes to open it.
func timeOpening(ctx context.Context, url string, has int) error {
	name := fmt.Sprintf("opening-%d", time.Now().UnixNano())
	st, err := study.Create(ctx, storeAt(url), name, study.Config{Sampler: random.Sampler{}})
	if err == nil {
		err = errors.Join(fill(ctx, st, has), st.Close())
	}
	if err != nil {
		return err
	}
	var took []time.Duration
	for range 3 {
		begun := time.Now()
		st, err := study.Load(ctx, storeAt(url), name, study.Config{Sampler: random.Sampler{}})
		if err != nil {
			return err
		}
		h, err := st.Snapshot(ctx)
		took = append(took, time.Since(begun).Round(10*time.Millisecond))
		if err = errors.Join(err, st.Close()); err != nil {
			return err
		}
		if h.Len() != has {
			return fmt.Errorf("%d trials: want %d", h.Len(), has)
		}
	}
	fmt.Printf("a study of %d trials is opened in %v\n", has, took)
	return nil
}

// fill adds complete trials to a study.
func fill(ctx context.Context, st *study.Study, n int) error {
	var p space.Params
	for i := range 5 {
		p.Space = append(p.Space, space.Float("x"+strconv.Itoa(i), -5, 5).Axis())
	}
	p.Point = make([]float64, 5)
	records := make([]trial.Record, n)
	for i := range records {
		now := time.Now()
		records[i] = trial.Record{State: trial.Complete, Params: p, Values: []float64{float64(i)}, Started: now, Finished: now}
		for step := range 5 {
			records[i].Reports = append(records[i].Reports, trial.Report{Step: step, Value: 1})
		}
	}
	_, err := st.Add(ctx, records...)
	return err
}
