// Command goptuna times goptuna in the same way as internal/dev/compare/speed times attune;
// see there. It is a separate module, so that attune does not depend on goptuna.
//
//	go run . -work sphere10|sqlite -trials 1000
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/c-bata/goptuna"
	"github.com/c-bata/goptuna/rdb.v2"
	"github.com/c-bata/goptuna/tpe"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

func main() {
	log.SetFlags(0)
	work := flag.String("work", "sphere10", "sphere10 or sqlite")
	trials := flag.Int("trials", 1000, "trials to run")
	flag.Parse()
	dir, err := os.MkdirTemp("", "goptuna-speed")
	if err != nil {
		log.Fatal(err)
	}
	err = run(*work, *trials, dir)
	os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
}

func run(work string, trials int, dir string) error {
	options := []goptuna.StudyOption{
		goptuna.StudyOptionLogger(nil),
		goptuna.StudyOptionPruner(never{}), // without a pruner goptuna stores no reports
	}
	dims, reports := 10, 0
	if work == "sqlite" {
		dims, reports = 5, 5
		db, err := gorm.Open(sqlite.Open(filepath.Join(dir, "study.db")),
			&gorm.Config{Logger: logger.Default.LogMode(logger.Silent)})
		if err != nil {
			return err
		}
		if err := rdb.RunAutoMigrate(db); err != nil {
			return err
		}
		options = append(options, goptuna.StudyOptionStorage(rdb.NewStorage(db)))
	} else {
		options = append(options, goptuna.StudyOptionSampler(tpe.NewSampler()))
	}
	study, err := goptuna.CreateStudy(work, options...)
	if err != nil {
		return err
	}
	objective := func(t goptuna.Trial) (float64, error) {
		loss := 0.0
		for i := range dims {
			x, err := t.SuggestFloat(fmt.Sprintf("x%d", i), -5, 5)
			if err != nil {
				return 0, err
			}
			c := float64(7*(i+1)%11*2-11) / 4
			loss += (x - c) * (x - c)
		}
		for step := range reports {
			if err := t.ShouldPrune(step, loss); err != nil {
				return 0, err
			}
		}
		return loss, nil
	}
	out := json.NewEncoder(os.Stdout)
	begin, done := time.Now(), 0
	for _, n := range []int{100, 200, 500, 1000} {
		if n > trials {
			break
		}
		if err := study.Optimize(objective, n-done); err != nil {
			return err
		}
		ms := time.Since(begin).Seconds() * 1e3 / float64(n-done)
		if err := out.Encode(map[string]any{"peer": "goptuna", "work": work, "trials": n, "ms": ms}); err != nil {
			return err
		}
		begin, done = time.Now(), n
	}
	return nil
}

type never struct{}

func (never) Prune(*goptuna.Study, goptuna.FrozenTrial) (bool, error) { return false, nil }
