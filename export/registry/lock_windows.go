package registry

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock locks a file handle, unless another handle has the lock. The system releases the
// lock when the handle is closed, or when the process ends in any way.
func tryLock(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}
