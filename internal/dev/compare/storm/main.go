// Command storm is a worker for a study in a database that is killed and has its server
// restarted under it, and then a check of what came of it. scripts/servers_storm.sh runs both.
//
//	storm -storage URL               work, and print the number of each trial that was told
//	storm -storage URL -check FILES  compare what workers printed with the study
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
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

const (
	name    = "storm"
	reports = 5
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("storm: ")
	url := flag.String("storage", "", "URL of the database")
	check := flag.Bool("check", false, "check the study against what workers printed")
	flag.Parse()
	ctx := context.Background()
	var store storage.Store = postgres.Database(*url)
	switch {
	case strings.HasPrefix(*url, "mysql://"):
		store = mysql.Database(*url)
	case !strings.Contains(*url, "://"):
		store = sqlite.File(*url)
	}
	var err error
	if *check {
		err = compare(ctx, store, flag.Args())
	} else {
		err = work(ctx, store)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// work runs trials until it is killed. A server that is away when the study is opened is
// waited for.
func work(ctx context.Context, store storage.Store) error {
	st, err := study.Open(ctx, store, name, study.Config{Sampler: random.Sampler{}})
	for errors.Is(err, storage.ErrUnreachable) {
		time.Sleep(100 * time.Millisecond)
		st, err = study.Open(ctx, store, name, study.Config{Sampler: random.Sampler{}})
	}
	if err != nil {
		return err
	}
	for {
		t, err := st.Ask(ctx)
		if err != nil {
			return err
		}
		x, y := space.Float("x", 0, 1).Suggest(t), space.Float("y", 0, 1).Suggest(t)
		for step := range reports {
			if err := t.Report(ctx, step, x+y); err != nil {
				return err
			}
		}
		number := t.Number()
		if err := st.Tell(ctx, t, []float64{x + y}, nil); err != nil {
			return err
		}
		fmt.Println(number)
	}
}

// compare fails unless each trial that a worker told is there, once and whole, and no number
// is missing.
func compare(ctx context.Context, store storage.Store, files []string) error {
	told := map[int]bool{}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var n int
			if _, err := fmt.Sscan(lines.Text(), &n); err != nil {
				return fmt.Errorf("a worker failed: %s", lines.Text())
			}
			if told[n] {
				return fmt.Errorf("trial %d was told twice", n)
			}
			told[n] = true
		}
		f.Close()
	}
	l, err := store.Open(ctx, name)
	if err != nil {
		return err
	}
	defer l.Close()
	all := map[int]trial.Record{}
	for u, err := range l.Since(ctx, 0) {
		if err != nil {
			return err
		}
		all[u.Trial.Number] = u.Trial
	}
	running := 0
	for n := range len(all) {
		r, ok := all[n]
		switch {
		case !ok:
			return fmt.Errorf("trial %d is missing", n)
		case r.State == trial.Running:
			running++
		case told[n] && (r.State != trial.Complete || len(r.Reports) != reports || len(r.Params.Point) != 2):
			return fmt.Errorf("trial %d lost something: %+v", n, r)
		}
		delete(told, n)
	}
	for n := range told {
		return fmt.Errorf("trial %d was told, and is not there", n)
	}
	fmt.Printf("%d trials, %d of them cut short; nothing told is lost, doubled or cut\n", len(all), running)
	return nil
}
