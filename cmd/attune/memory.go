package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/space"
)

// A memorySize is a number of bytes, as a flag: 2GB or 500MB. 0 means a quarter of the machine's.
type memorySize int64

var units = []struct {
	name  string
	bytes float64
}{{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}}

// Set implements [pflag.Value].
func (m *memorySize) Set(text string) error {
	if text == "" {
		*m = 0
		return nil
	}
	for _, u := range units {
		number, ok := strings.CutSuffix(strings.ToLower(text), strings.ToLower(u.name))
		x, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if bytes := x * u.bytes; ok && err == nil && bytes >= 1e6 && bytes < 1e15 {
			*m = memorySize(bytes)
			return nil
		}
	}
	return errors.New("want a size from 1MB, such as 500MB or 2GB")
}

// String implements [pflag.Value].
func (m *memorySize) String() string {
	if *m == 0 {
		return ""
	}
	return bytesText(float64(*m))
}

// Type implements [pflag.Value].
func (*memorySize) Type() string { return "size" }

// bytesText returns a number of bytes for people.
func bytesText(n float64) string {
	for _, u := range units {
		if n >= u.bytes {
			return strconv.FormatFloat(n/u.bytes, 'g', 3, 64) + u.name
		}
	}
	return fmt.Sprintf("%.0f bytes", n)
}

// limit returns the memory that the process should use at most.
func (m memorySize) limit() int64 {
	if m > 0 {
		return int64(m)
	}
	return machineMemory() / 4
}

// machineMemory returns the memory of this machine or container, or 8 GB where that is unknown.
func machineMemory() int64 {
	least := int64(math.MaxInt64)
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range bytes.Lines(text) {
			f := strings.Fields(string(line))
			if n, err := strconv.ParseInt(f[min(1, len(f)-1)], 10, 64); err == nil && f[0] == "MemTotal:" {
				least = n * 1024
			}
		}
	}
	if text, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
			least = min(least, n)
		}
	}
	if least == math.MaxInt64 {
		return 8e9
	}
	return least
}

// bound makes the garbage collector respect the memory of the run, unless GOMEMLIMIT is set.
func (o *optimize) bound() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(o.memory.limit())
	}
}

// A footprint is what the tables of trees take in one trial.
type footprint struct {
	rows, columns, tables int
}

// perRow is the memory of a row of a table and of what trees keep of it in training.
func (f footprint) perRow() float64 { return float64(9*f.columns + 64) }

func (f footprint) bytes() float64 { return float64(f.tables) * float64(f.rows) * f.perRow() }

// String returns the footprint for people.
func (f footprint) String() string {
	return fmt.Sprintf("tables of up to %d rows and %d columns, %d at once: about %s", f.rows, f.columns, f.tables, bytesText(f.bytes()))
}

// fits estimates the memory of a trial of trees. If their tables would take more than half of --memory, it limits
// their rows, and returns a note. The footprint is nil for other models.
func (s *session) fits(p *plan) (_ *footprint, note string, err error) {
	if _, trees := p.family.(treeforecast.Family); !trees {
		return nil, "", nil
	}
	const mostLags = 48 // in the spaces of trees
	prepared, err := forecast.Recipe{Lags: mostLags, Strategy: forecast.Pooled, Horizon: p.job.Horizon, Rows: 1}.Fit(s.frame, 0)
	if err != nil {
		return nil, "", nil // a later check says why
	}
	f := &footprint{columns: len(prepared.Names()), tables: p.job.Windows + 1}
	for _, x := range s.frame {
		f.rows += x.Len() * p.job.Horizon
	}
	f.rows = min(f.rows, treeforecast.MostRows)
	if text, given := p.job.Fixed.Get("max_rows"); given {
		n, _ := text.Any().(int64)
		f.rows = min(f.rows, int(n))
		return f, "", nil
	}
	most := int(float64(s.memory.limit()) / 2 / f.perRow() / float64(f.tables))
	if f.rows <= most {
		return f, "", nil
	}
	const fewestRows = 200
	if most < fewestRows {
		f.rows = fewestRows
		return nil, "", fmt.Errorf("--memory %s: %s needs at least %s: raise it, or lower --windows", bytesText(float64(s.memory.limit())), p.job.Model, bytesText(2*f.bytes()))
	}
	note = fmt.Sprintf("%s learns from %d of %d rows in each fold, because --memory is %s", p.job.Model, most, f.rows, bytesText(float64(s.memory.limit())))
	f.rows = most
	p.job.Fixed = append(p.job.Fixed[:len(p.job.Fixed):len(p.job.Fixed)], space.Setting{Name: "max_rows", Value: space.Lit(most)})
	return f, note, nil
}
