package neural

import "errors"

var (
	// ErrDiverged reports a loss that is not a finite number.
	ErrDiverged = errors.New("the training diverged")
	// ErrCheckpoint reports a checkpoint that cannot be gone on from.
	ErrCheckpoint = errors.New("not a checkpoint of this fit")
	// ErrDevice reports a GPU that is not there, is out of memory or has failed.
	ErrDevice = errors.New("the device cannot be used")
)
