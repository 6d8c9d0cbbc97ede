package neural

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural/internal/device"
)

// Training says what a network sees of series, and how it is trained. The zero value is a
// good start for most series.
type Training struct {
	Window int `json:"window"` // number of past steps that the network sees; default 24
	// Transform is applied to the target. It is fitted to the training part of each series.
	// Its results are standardized. Default none.
	Transform forecast.Transform `json:"-"`
	// KeepLevel shows the network the unchanged target. Otherwise the last value of a
	// window is subtracted from the whole window and added to the forecast, which removes a
	// drifting level (Zeng et al., arXiv:2205.13504).
	KeepLevel bool `json:"keep_level"`
	// Shortcut adds to the output a linear function of the target in the window, as in
	// NLinear, so that the network only has to learn the rest (Lai et al.,
	// arXiv:1703.07015).
	Shortcut bool `json:"shortcut"`
	// Calendar lists features of the time of each step. The network sees them, like
	// columns known in advance, for the window and for the steps to forecast. Features on a
	// circle suit networks best, such as [forecast.SineOfYear] with [forecast.CosineOfYear].
	// No feature may be constant in the training part. Default none.
	Calendar []forecast.Calendar `json:"calendar,omitempty"`

	// LearningRate is the learning rate of the optimizer. Default 1e-3.
	LearningRate float64 `json:"learning_rate"`
	// Epochs is the maximum number of epochs. Default 100.
	Epochs int `json:"epochs"`
	// Batch is the number of windows per step. Default 32.
	Batch int `json:"batch_size"`
	// Loss is mse, mae, huber (linear beyond 1) or quantile@Q, such as quantile@0.9.
	// Default mse.
	Loss string `json:"loss"`
	// Optimizer is adam or adamw. Default adam.
	Optimizer string `json:"optimizer"`
	// WeightDecay is the decay of adamw, decoupled from the gradient. Default 0.
	WeightDecay float64 `json:"weight_decay"`
	// Clip is the maximum norm of all gradients together. Default 1; negative: no limit.
	Clip float64 `json:"clip"`
	// Schedule is the schedule of the learning rate: constant, cosine (down to 0 over
	// Epochs) or plateau (halved after half of Patience without a better loss). Default
	// constant.
	Schedule string `json:"schedule"`
	// Patience is the number of epochs without a better validation loss after which the
	// training ends. It needs FitOptions.Holdout. The weights of the best epoch are
	// restored, even if the training reaches its last epoch. Default 10; negative: never end
	// early.
	Patience int `json:"patience"`

	// Device is the device that trains the network:
	//
	//	cpu      one core
	//	cuda     the first NVIDIA GPU
	//	cuda:1   an NVIDIA GPU by its number
	//	auto     the first GPU if it has room and is faster, else the CPU
	//
	// Default auto. As a rule a GPU is faster if an operation of a step, such as a matrix
	// product, has a million multiplications or more on average: for example, an LSTM with
	// about 128 units at a batch size of 32. For a smaller network, auto does not look for a
	// GPU. [Forecaster.Device] returns the device that was used. Losses on a GPU differ from
	// those on the CPU by the rounding of single precision. A saved model does not record
	// the device.
	Device string `json:"-"`

	// Checkpoint is a folder in which a fit saves its progress. The file is named after
	// everything that determines the fit: data, settings, seed, horizon, holdout. If the
	// process dies, the same fit resumes from there and ends with the same bits. It does not
	// call OnIteration again for earlier epochs. The file is removed when the fit succeeds.
	// Default none.
	Checkpoint string `json:"-"`
	// Every is the number of epochs between checkpoints. Default 1.
	Every int `json:"-"`
}

// Limits of settings: far beyond any use, and far below an overflow.
const (
	maxWindow = 1 << 16
	maxUnits  = 1 << 13
	maxLayers = 64
	maxBatch  = 1 << 16
	maxEpochs = 1 << 20
)

// A check keeps the first error in the settings.
type check struct{ err error }

func (c *check) fail(name string, value any, want string) {
	if c.err == nil {
		c.err = fmt.Errorf("%s %v: %w: want %s", name, value, forecast.ErrConfig, want)
	}
}

// whole sets *v to its default if it is 0, and checks that it is in [low, high].
func (c *check) whole(name string, v *int, def, low, high int) {
	if *v == 0 {
		*v = def
	}
	if *v < low || *v > high {
		c.fail(name, *v, fmt.Sprintf("%d to %d", low, high))
	}
}

// real is like whole for a number in [low, high), or in (0, high) if low is above 0.
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
