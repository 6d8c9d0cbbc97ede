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
	// Transform is that of the target, fitted to the training part of each series. Its
	// results are standardized. Default none.
	Transform forecast.Transform `json:"-"`
	// KeepLevel shows the network the target as it is. Otherwise the last value of a window
	// is subtracted from the whole window and added to the forecast, which removes a level
	// that wanders (Zeng et al., arXiv:2205.13504).
	KeepLevel bool `json:"keep_level"`
	// Shortcut adds to the output a linear function of the target in the window, as in
	// NLinear, so that the network learns only what a line cannot (Lai et al.,
	// arXiv:1703.07015).
	Shortcut bool `json:"shortcut"`
	// Calendar lists features of the time of each step. The network sees them, for the
	// window and for the steps to forecast, beside the columns known in advance. Features
	// on a circle suit networks best, such as [forecast.SineOfYear] with
	// [forecast.CosineOfYear]. None may be constant in the training part. Default none.
	Calendar []forecast.Calendar `json:"calendar,omitempty"`

	// LearningRate is that of the optimizer. Default 1e-3.
	LearningRate float64 `json:"learning_rate"`
	// Epochs is the greatest number of epochs. Default 100.
	Epochs int `json:"epochs"`
	// Batch is the number of windows in a step. Default 32.
	Batch int `json:"batch_size"`
	// Loss is mse, mae, huber (which turns linear at 1) or quantile@Q, as in quantile@0.9.
	// Default mse.
	Loss string `json:"loss"`
	// Optimizer is adam or adamw. Default adam.
	Optimizer string `json:"optimizer"`
	// WeightDecay is that of adamw, decoupled from the gradient. Default 0.
	WeightDecay float64 `json:"weight_decay"`
	// Clip is the greatest norm of all gradients together. Default 1; negative: none.
	Clip float64 `json:"clip"`
	// Schedule is that of the learning rate: constant, cosine (down to 0 over Epochs) or
	// plateau (halved after half of Patience without a better loss). Default constant.
	Schedule string `json:"schedule"`
	// Patience is the number of epochs without a better validation loss that end the
	// training. It needs FitOptions.Holdout. The weights of the best epoch are restored,
	// also when the training reaches its last epoch. Default 10; negative: never end early.
	Patience int `json:"patience"`

	// Device is what the training runs on:
	//
	//	cpu      one core
	//	cuda     an NVIDIA GPU, the first
	//	cuda:1   an NVIDIA GPU by its number
	//	auto     the first GPU if it has room and the network gains, else the CPU
	//
	// Default auto. As a rule a network gains if an operation of a step, such as a product
	// of matrices, has a million multiplications or more on average: an LSTM of about 128
	// units at a batch size of 32. A smaller network does not look for a GPU.
	// [Forecaster.Device] says what was taken. Losses on a GPU differ from those on the
	// CPU by the rounding of single precision. A saved model does not say what trained it.
	Device string `json:"-"`

	// Checkpoint is a folder in which a fit keeps its progress, in a file named after all
	// that determines it: data, settings, seed, horizon, holdout. If its process dies, the
	// same fit goes on from there and ends with the same bits. OnIteration is not called
	// again for earlier epochs. The file is removed when the fit succeeds. Default none.
	Checkpoint string `json:"-"`
	// Every is the number of epochs from one checkpoint to the next. Default 1.
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
