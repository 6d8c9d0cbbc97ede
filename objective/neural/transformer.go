package neural

import (
	"fmt"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural/internal/nn"
	"github.com/attune-hpo/attune/space"
)

// A Transformer is a stack of attention blocks (Vaswani et al., arXiv:1706.03762), with
// each norm before its sublayer (Xiong et al., arXiv:2002.04745). The encoder's tokens are
// the steps of the window. The decoder's tokens are the steps of the forecast: they begin
// as their position and the columns known in advance, and each attends to the tokens
// before it and to the whole window. Without a decoder, a linear layer maps the window's
// last token to all steps of the forecast.
type Transformer struct {
	Training
	Width         int         `json:"d_model"`        // features of a token; default 64
	Heads         int         `json:"num_heads"`      // attention heads; must divide Width; default 4
	EncoderLayers int         `json:"encoder_layers"` // default 2
	DecoderLayers int         `json:"decoder_layers"` // default 1; negative: no decoder
	FeedForward   int         `json:"feed_forward"`   // units; default 4 Width
	Causal        bool        `json:"causal"`         // encoder tokens attend only to those before them; decoder tokens always do
	Dropout       float64     `json:"dropout"`        // after embeddings and each attention and feed-forward layer, in [0, 1); default 0
	Quick         bool        `json:"-"`              // search small networks that train in seconds
	Search        space.Space `json:"-"`              // parameters that replace those of the same name in the default space, or are added to it
}

// Name returns "transformer".
func (Transformer) Name() string { return "transformer" }

// Rounds returns the setting that counts rounds of training: "epochs".
func (Transformer) Rounds() string { return "epochs" }

// Space implements [Model]: the file spaces/transformer.yaml, or
// transformer-quick.yaml.
func (m Transformer) Space(train forecast.Frame) space.Space {
	return defaultSpace("transformer", m.Quick, train, m.Search)
}

// New implements [Model]. The settings are d_model, num_heads, encoder_layers,
// decoder_layers (0 for no decoder), feed_forward, causal, dropout, and those of
// [Training]: window, transform, subtract_last (the opposite of [Training.KeepLevel]),
// shortcut, calendar (names separated by commas, or none), learning_rate, epochs,
// batch_size, loss, optimizer, weight_decay, clip (0 for no clipping), schedule, patience
// (0 for no early stopping) and device.
func (m Transformer) New(settings space.Settings) (forecast.Forecaster, error) {
	err := apply("transformer", settings, append(m.fields(),
		whole("d_model", &m.Width, 1),
		whole("num_heads", &m.Heads, 1),
		whole("encoder_layers", &m.EncoderLayers, 1),
		orNone("decoder_layers", &m.DecoderLayers),
		whole("feed_forward", &m.FeedForward, 1),
		boolean("causal", func(b bool) { m.Causal = b }),
		number("dropout", func(v float64) { m.Dropout = v })))
	return newForecaster(m, err)
}

func (m Transformer) ready() (design, error) {
	var c check
	m.Training = m.Training.normalize(&c)
	c.whole("d_model", &m.Width, 64, 1, maxUnits)
	c.whole("num_heads", &m.Heads, 4, 1, maxUnits)
	if c.err == nil && m.Width%m.Heads != 0 {
		c.fail("num_heads", m.Heads, fmt.Sprintf("a divisor of d_model, %d", m.Width))
	}
	c.whole("encoder_layers", &m.EncoderLayers, 2, 1, maxLayers)
	if m.DecoderLayers >= 0 {
		c.whole("decoder_layers", &m.DecoderLayers, 1, 1, maxLayers)
	}
	c.whole("feed_forward", &m.FeedForward, 4*m.Width, 1, 4*maxUnits)
	c.real("dropout", &m.Dropout, 0, 0, 1)
	return design{model: m, training: m.Training, tokens: m.DecoderLayers > 0, network: m.network}, c.err
}

func (m Transformer) with(t Training) Model {
	m.Training = t
	return m
}

func (m Transformer) network(b *nn.Builder, window, future nn.Value, horizon int) nn.Value {
	site := uint64(0)
	embed := func(name string, v nn.Value) nn.Value {
		site++
		return b.Apply(name, &nn.Embed{Width: m.Width, Dropout: float32(m.Dropout), Site: site}, v)
	}
	block := func() nn.Block {
		site++
		return nn.Block{Heads: m.Heads, FeedForward: m.FeedForward, Dropout: float32(m.Dropout), Site: site}
	}
	h := embed("embed", window)
	for i := range m.EncoderLayers {
		h = b.Apply(fmt.Sprintf("encoder.%d", i), &nn.Encoder{Block: block(), Causal: m.Causal}, h)
	}
	h = b.Apply("encoder.norm", &nn.Norm{}, h)
	if m.DecoderLayers < 0 {
		return head(b, h, future, horizon, 0)
	}
	h = b.Apply("decoder", &nn.Decoder{Block: block(), Layers: m.DecoderLayers}, embed("steps", future), h)
	return b.Apply("head", &nn.Tokens{}, b.Apply("decoder.norm", &nn.Norm{}, h))
}
