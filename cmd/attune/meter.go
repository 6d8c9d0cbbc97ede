package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A meter shows how much of some work is done: as a bar on a terminal, elsewhere not at all. It
// is safe for concurrent use.
type meter struct {
	mu  sync.Mutex
	bar *progressbar.ProgressBar // nil for none
	w   io.Writer
}

func newMeter(w io.Writer, total int, what string) *meter {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok || !term.IsTerminal(int(f.Fd())) || total == 0 {
		return &meter{}
	}
	return barOn(w, total, what)
}

func barOn(w io.Writer, total int, what string) *meter {
	bar := progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
	return &meter{bar: bar, w: w}
}

func (m *meter) add() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		_ = m.bar.Add(1)
	}
}

// end removes the bar.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		_ = m.bar.Clear()
		fmt.Fprint(m.w, "\r")
		m.bar = nil
	}
}
