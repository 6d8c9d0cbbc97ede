//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package registry

import (
	"errors"
	"os"
)

func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }
