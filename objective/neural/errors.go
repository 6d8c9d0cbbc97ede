package neural

import (
	"errors"
	"fmt"

	"github.com/attune-hpo/attune/fault"
)

const pkg fault.Package = "neural"

// Hints that name a setting.
var (
	shorterWindow = fault.Hint{Field: "neural.Training.Window", Want: "lower %s"}
	lessHoldout   = fault.Hint{Field: "forecast.FitOptions.Holdout", Want: "lower %s"}
	setFill       = fault.Hint{Field: "forecast.CSV.Fill", Want: "fill it with %s"}
	anyDevice     = fault.Hint{Field: "neural.Training.Device", Want: "set %s to auto or cpu"}
	cpuDevice     = fault.Hint{Field: "neural.Training.Device", Want: "set %s to cpu"}
)

// of returns a prefix for errors that names a series, or "" for the nameless series of a
// frame.
func of(id string) string {
	if id == "" {
		return ""
	}
	return fmt.Sprintf("series %q: ", id)
}

var (
	// ErrDiverged reports a loss that is not a finite number.
	ErrDiverged = errors.New("the training diverged")
	// ErrCheckpoint reports a checkpoint from which the fit cannot resume.
	ErrCheckpoint = errors.New("not a checkpoint of this fit")
	// ErrDevice reports a GPU that is missing, out of memory or broken.
	ErrDevice = errors.New("the device cannot be used")
)
