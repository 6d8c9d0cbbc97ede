package sqlite

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// SetPatience says how long to wait during t for a file that has no version.
func SetPatience(t *testing.T, d time.Duration) {
	before := patience
	patience = d
	t.Cleanup(func() { patience = before })
}

// SetMaxPages makes files that are opened during t no larger.
func SetMaxPages(t *testing.T, n int) {
	setUp = []string{fmt.Sprintf("PRAGMA max_page_count = %d", n)}
	t.Cleanup(func() { setUp = nil })
}

// OnSync calls f when something during t waits for the log of a file to be on the
// disk.
func OnSync(t *testing.T, f func(path string)) {
	fsync = func(log *os.File) error {
		f(strings.TrimSuffix(log.Name(), "-wal"))
		return log.Sync()
	}
	t.Cleanup(func() { fsync = (*os.File).Sync })
}
