package sqlite

import (
	"fmt"
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
