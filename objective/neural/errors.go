package neural

import (
	"errors"
	"fmt"

	"github.com/attune-hpo/attune/fault"
)

const pkg fault.Package = "neural"

// Ways out that lead through a setting.
var (
	shorterWindow = fault.Hint{Field: "neural.Training.Window", Want: "lower %s"}
	lessHoldout   = fault.Hint{Field: "forecast.FitOptions.Holdout", Want: "lower %s"}
	setFill       = fault.Hint{Field: "forecast.CSV.Fill", Want: "fill it with %s"}
	anyDevice     = fault.Hint{Field: "neural.Training.Device", Want: "set %s to auto or cpu"}
	cpuDevice     = fault.Hint{Field: "neural.Training.Device", Want: "set %s to cpu"}
)

// of names a series in front of what is wrong with it. A frame of one series may have
// none of a name.
func of(id string) string {
	if id == "" {
		return ""
	}
	return fmt.Sprintf("series %q: ", id)
}

var (
	// ErrDiverged reports a loss that is not a finite number.
	ErrDiverged = errors.New("the training diverged")
	// ErrCheckpoint reports a checkpoint that cannot be gone on from.
	ErrCheckpoint = errors.New("not a checkpoint of this fit")
	// ErrDevice reports a GPU that is not there, is out of memory or has failed.
	ErrDevice = errors.New("the device cannot be used")
)
