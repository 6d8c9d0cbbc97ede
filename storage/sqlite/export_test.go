package sqlite

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// SetPatience sets, during t, how long to wait for a file that has no version.
func SetPatience(t *testing.T, d time.Duration) {
	before := patience
	patience = d
	t.Cleanup(func() { patience = before })
}

// SetMaxPages limits, during t, the size of files that are opened.
func SetMaxPages(t *testing.T, n int) {
	setUp = []string{fmt.Sprintf("PRAGMA max_page_count = %d", n)}
	t.Cleanup(func() { setUp = nil })
}

// OnSync calls f, during t, each time that the log of a file is synced to the disk.
func OnSync(t *testing.T, f func(path string)) {
	fsync = func(log *os.File) error {
		f(strings.TrimSuffix(log.Name(), "-wal"))
		return log.Sync()
	}
	t.Cleanup(func() { fsync = (*os.File).Sync })
}
