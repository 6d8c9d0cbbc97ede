package deploy

import (
	"errors"
	"log/slog"
	"math/bits"
	"sync"

	"github.com/attune-hpo/attune/export/runtime"
)

// counts keeps the counts of a [Forecaster].
type counts struct {
	log *slog.Logger

	mu    sync.Mutex
	n     runtime.FallbackStats
	never error // why there never was a session
}

// cause records why there is no session.
func (c *counts) cause(err error) {
	c.never = err
	c.log.Warn("onnx: the native forecaster answers", "error", err)
}

func (c *counts) why() error { return c.never }

func (c *counts) call() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n.Calls++
}

// fell records that the export failed, and the error of the native forecast.
func (c *counts) fell(err, native error) {
	if native != nil && errors.Is(err, errCannot) {
		return // neither can do it, so it is a mistake of the caller
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n.Fallbacks++
	c.n.Last = err
	if native != nil {
		c.n.Failures++
	}
	if c.never == nil && bits.OnesCount64(c.n.Fallbacks) == 1 {
		c.log.Warn("onnx: the native forecaster answered for its export", "failures", c.n.Fallbacks, "error", err)
	}
}

func (c *counts) stats() runtime.FallbackStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}
