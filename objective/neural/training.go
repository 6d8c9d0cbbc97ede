package neural

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural/internal/device"
)

// Training says what a network sees of series, and how it is trained. The zero value
// is a start for most series.
type Training struct {
	Window int `json:"window"` // steps that the network looks back; default 24
	// Transform is of the target, fitted to the training part of each series; default
	// none. What it makes is standardized, in any case.
	Transform forecast.Transform `json:"-"`
	// KeepLevel shows the network the target as it is. Else the last value of a window
	// is subtracted from all of it and added to the forecast, which makes little of a
	// level that wanders (Zeng et al., arXiv:2205.13504).
	KeepLevel bool `json:"keep_level"`
	// Shortcut adds a linear function of the target in the window to what the network
	// says, as an NLinear has it: the network learns what that cannot (Lai et al.,
	// arXiv:1703.07015).
	Shortcut bool `json:"shortcut"`
	// Calendar is features of the time of each step that the network sees beside the
	// columns known in advance, of the window and of the steps to forecast; default none.
	// Those on a circle suit networks best: [forecast.SineOfYear] with
	// [forecast.CosineOfYear], and so on. Nothing may be constant in the training part.
	Calendar []forecast.Calendar `json:"calendar,omitempty"`

	LearningRate float64 `json:"learning_rate"` // default 1e-3
	Epochs       int     `json:"epochs"`        // at most; default 100
	Batch        int     `json:"batch_size"`    // windows in a step; default 32
	Loss         string  `json:"loss"`          // mse, mae, huber (that turns at 1) or quantile@Q as in quantile@0.9; default mse
	Optimizer    string  `json:"optimizer"`     // adam or adamw; default adam
	WeightDecay  float64 `json:"weight_decay"`  // of adamw, decoupled from the gradient; default 0
	Clip         float64 `json:"clip"`          // what the norm of all gradients together is cut to; default 1, negative: never
	// Schedule is of the learning rate: constant, cosine (down to 0 over Epochs) or
	// plateau (halved when half of Patience brought nothing better); default constant.
	Schedule string `json:"schedule"`
	// Patience is how many epochs without a better validation loss end the training. It
	// needs FitOptions.Holdout. The weights of the best epoch are restored, also when
	// the training goes to its end. Default 10, negative: never end early.
	Patience int `json:"patience"`

	// Device is what the training runs on: cpu, that is one core; cuda or cuda:0, cuda:1
	// and so on, an NVIDIA GPU by its number; or auto, the default: the first GPU if there
	// is one with room, and the network is so large that it gains, else the CPU. It gains
	// if an operation of a step, a product of matrices say, has a million multiplications
	// or more on average, as a rule: an LSTM of 128 units at a batch size of 32 or so. No
	// other network looks for a GPU. [Forecaster.Device] says what was taken. Losses on a
	// GPU are those on the CPU but for the rounding of single precision; a saved model
	// does not know what trained it.
	Device string `json:"-"`

	// Checkpoint is a folder in which a fit keeps where it stands, in a file named after
	// all that determines it: data, settings, seed, horizon, holdout. The same fit goes on from
	// there after its process has died, to the same bits; OnIteration is not called
	// again for epochs before. The file is removed when the fit succeeds. Default none.
	Checkpoint string `json:"-"`
	// Every is how many epochs there are between checkpoints. Default 1.
	Every int `json:"-"`
}

// The most that settings may be: far beyond use, and far below an overflow.
const (
	maxWindow = 1 << 16
	maxUnits  = 1 << 13
	maxLayers = 64
	maxBatch  = 1 << 16
	maxEpochs = 1 << 20
)

// A check collects the first of the settings that is impossible.
type check struct{ err error }

func (c *check) fail(name string, value any, want string) {
	if c.err == nil {
		c.err = fmt.Errorf("%s %v: %w: want %s", name, value, forecast.ErrConfig, want)
	}
}

// whole sets *v to its default if it is 0, and sees that it lies in [low, high].
func (c *check) whole(name string, v *int, def, low, high int) {
	if *v == 0 {
		*v = def
	}
	if *v < low || *v > high {
		c.fail(name, *v, fmt.Sprintf("%d to %d", low, high))
	}
}

// real is whole for what lies in [low, high), or in (0, high) if low is above 0.
func (c *check) real(name string, v *float64, def, low, high float64) {
	if *v == 0 {
		*v = def
	}
	if !(*v >= low && *v < high) {
		c.fail(name, *v, fmt.Sprintf("at least %v, and less than %v", low, high))
	}
}

func (c *check) oneOf(name string, v *string, choices ...string) {
	if *v == "" {
		*v = choices[0]
	}
	for _, choice := range choices {
		if *v == choice {
			return
		}
	}
	c.fail(name, strconv.Quote(*v), strings.Join(choices, ", "))
}

// normalize sets the defaults.
func (t Training) normalize(c *check) Training {
	c.whole("window", &t.Window, 24, 1, maxWindow)
	c.real("learning_rate", &t.LearningRate, 1e-3, 1e-12, 1e3)
	c.whole("epochs", &t.Epochs, 100, 1, maxEpochs)
	c.whole("batch_size", &t.Batch, 32, 1, maxBatch)
	if t.Loss == "" {
		t.Loss = "mse"
	}
	if _, err := parseLoss(t.Loss); err != nil {
		c.fail("loss", strconv.Quote(t.Loss), "mse, mae, huber or quantile@Q with Q between 0 and 1")
	}
	c.oneOf("optimizer", &t.Optimizer, "adam", "adamw")
	c.real("weight_decay", &t.WeightDecay, 0, 0, 1e3)
	if t.WeightDecay > 0 && t.Optimizer != "adamw" {
		c.fail("weight_decay", t.WeightDecay, "0, or the optimizer adamw")
	}
	if t.Clip == 0 {
		t.Clip = 1
	}
	if math.IsNaN(t.Clip) || math.IsInf(t.Clip, 0) {
		c.fail("clip", t.Clip, "a number; negative for none")
	}
	c.oneOf("schedule", &t.Schedule, "constant", "cosine", "plateau")
	if t.Patience == 0 {
		t.Patience = 10
	}
	c.whole("checkpoint every", &t.Every, 1, 1, maxEpochs)
	if t.Device == "" {
		t.Device = "auto"
	}
	if _, ok := parseDevice(t.Device); !ok {
		c.fail("device", strconv.Quote(t.Device), "auto, cpu, cuda or cuda:N with N the number of a GPU")
	}
	if t.Transform == nil {
		t.Transform = forecast.Chain{}
	}
	c.calendar(t.Calendar)
	return t
}

func parseLoss(s string) (device.Loss, error) {
	switch s {
	case "mse":
		return device.Loss{Kind: device.Square}, nil
	case "mae":
		return device.Loss{Kind: device.Absolute}, nil
	case "huber":
		return device.Loss{Kind: device.Huber, Q: 1}, nil
	}
	if text, ok := strings.CutPrefix(s, "quantile@"); ok {
		if q, err := strconv.ParseFloat(text, 32); err == nil && q > 0 && q < 1 {
			return device.Loss{Kind: device.Quantile, Q: float32(q)}, nil
		}
	}
	return device.Loss{}, forecast.ErrConfig
}
