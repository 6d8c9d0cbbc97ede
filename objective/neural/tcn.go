package neural

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural/internal/nn"
	"github.com/attune-hpo/attune/space"
)

// A TCN is a temporal convolutional network (Bai, Kolter and Koltun,
// arXiv:1803.01271). It is a stack of residual blocks of causal convolutions whose
// dilation doubles from block to block. A linear layer maps the last block's output at the
// window's end to all steps of the forecast. With n blocks, that output depends on the
// last 1+2(Kernel-1)(2ⁿ-1) steps.
type TCN struct {
	Training
	Channels []int       `json:"channels"`    // of each block; default 32, 64, 128
	Kernel   int         `json:"kernel_size"` // taps of a convolution; default 3
	Norm     string      `json:"norm"`        // weight or layer; default weight
	Dropout  float64     `json:"dropout"`     // after each convolution, in [0, 1); default 0
	Quick    bool        `json:"-"`           // search small networks that train in seconds
	Search   space.Space `json:"-"`           // parameters that replace those of the same name in the default space, or are added to it
}

// Name returns "tcn".
func (TCN) Name() string { return "tcn" }

// Rounds returns the setting that counts rounds of training: "epochs".
func (TCN) Rounds() string { return "epochs" }

// Space implements [Model]: the file spaces/tcn.yaml, or tcn-quick.yaml.
func (m TCN) Space(train forecast.Frame) space.Space {
	return defaultSpace("tcn", m.Quick, train, m.Search)
}

// New implements [Model]. The settings are channels (numbers separated by dashes, such as
// 32-64-128), kernel_size, norm, dropout, and those of [Training]: window, transform,
// subtract_last (the opposite of [Training.KeepLevel]), shortcut, calendar (names separated
// by commas, or none), learning_rate, epochs, batch_size, loss, optimizer, weight_decay,
// clip (0 for no clipping), schedule, patience (0 for no early stopping) and device.
func (m TCN) New(settings space.Settings) (forecast.Forecaster, error) {
	err := apply("tcn", settings, append(m.fields(),
		text("channels", func(s string) error {
			m.Channels = nil
			for part := range strings.SplitSeq(s, "-") {
				n, err := strconv.Atoi(part)
				if err != nil {
					return fmt.Errorf("want numbers separated by dashes, such as 32-64-128")
				}
				m.Channels = append(m.Channels, n)
			}
			return nil
		}),
		whole("kernel_size", &m.Kernel, 1),
		textTo("norm", &m.Norm),
		number("dropout", func(v float64) { m.Dropout = v })))
	return newForecaster(m, err)
}

func (m TCN) ready() (design, error) {
	var c check
	m.Training = m.Training.normalize(&c)
	m.Channels = slices.Clone(m.Channels)
	if len(m.Channels) == 0 {
		m.Channels = []int{32, 64, 128}
	}
	const maxBlocks = 16 // the last one's dilation is 2¹⁵
	if len(m.Channels) > maxBlocks {
		c.fail("channels", m.Channels, fmt.Sprintf("at most %d blocks", maxBlocks))
	}
	for i := range m.Channels {
		if n := m.Channels[i]; n < 1 || n > maxUnits {
			c.fail("channels", m.Channels, fmt.Sprintf("numbers from 1 to %d", maxUnits))
		}
	}
	c.whole("kernel_size", &m.Kernel, 3, 1, 1<<10)
	c.oneOf("norm", &m.Norm, "weight", "layer")
	c.real("dropout", &m.Dropout, 0, 0, 1)
	return design{model: m, training: m.Training, network: m.network}, c.err
}

func (m TCN) with(t Training) Model {
	m.Training = t
	return m
}

func (m TCN) network(b *nn.Builder, window, future nn.Value, horizon int) nn.Value {
	h := window
	for i, channels := range m.Channels {
		h = b.Apply(fmt.Sprintf("tcn.%d", i), &nn.TCNBlock{Channels: channels, Kernel: m.Kernel, Dilation: 1 << i,
			LayerNorm: m.Norm == "layer", Dropout: float32(m.Dropout), Site: uint64(i)}, h)
	}
	return head(b, h, future, horizon, 0)
}
