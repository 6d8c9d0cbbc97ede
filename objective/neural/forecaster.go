package neural

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural/internal/device"
	"github.com/attune-hpo/attune/objective/neural/internal/nn"
	"github.com/attune-hpo/attune/space"
)

// A Model describes a network: an [LSTM], a [TCN] or a [Transformer]. It is also a family
// of forecasters to search.
type Model interface {
	// Name returns the name of the family.
	Name() string
	// Space returns the space to search for series like train. It is the shipped space with
	// three changes. The window is at most half of the longest series. The transforms are
	// those of [forecast.TransformsToTry]. The calendar is none or the phases of the year, week
	// and day, as far as these occur repeatedly in the series and do not fit into the longest
	// window. Without series, it is the shipped space.
	Space(train forecast.Frame) space.Space
	// New returns a forecaster with settings that override the model's own. It fails
	// with [forecast.ErrConfig] for a name that the model lacks, and for an invalid
	// value.
	New(settings space.Settings) (forecast.Forecaster, error)

	ready() (design, error)
	with(t Training) Model
}

// A design is a valid model with its defaults set.
type design struct {
	model    Model
	training Training
	tokens   bool // the network's output has one step per step of the forecast
	network  func(b *nn.Builder, window, future nn.Value, horizon int) nn.Value
}

// futures is how many future values the network sees per step of the forecast.
func (d design) futures(known int) int {
	if d.tokens {
		return max(1, known)
	}
	return known
}

// maxMemory is the maximum count of numbers in a network: 16 GiB.
const maxMemory = 1 << 32

// plan returns the network on a device, for batches of at most the given number of rows.
func (d design) plan(dev device.Device, v *view, rows int) (*nn.Net, error) {
	b := nn.NewBuilder(dev, rows)
	window := b.Input("window", nn.Shape{Steps: v.window, Features: v.features()})
	var future nn.Value
	if n := d.futures(len(v.known)); d.tokens {
		future = b.Input("future", nn.Shape{Steps: v.horizon, Features: n})
	} else if n > 0 {
		future = b.Input("future", nn.Shape{Steps: 1, Features: v.horizon * n})
	}
	loss, err := parseLoss(d.training.Loss)
	if err != nil {
		return nil, err
	}
	out := d.network(b, window, future, v.horizon)
	if d.training.Shortcut {
		out = b.Apply("shortcut", &nn.Shortcut{}, out, window)
	}
	return b.Build(out, loss)
}

// head adds the output layer to features. The last reverse of the features run back in
// time.
func head(b *nn.Builder, features, future nn.Value, horizon, reverse int) nn.Value {
	in := []nn.Value{features}
	if future != (nn.Value{}) {
		in = append(in, future)
	}
	return b.Apply("head", &nn.Head{Outputs: horizon, Reverse: reverse}, in...)
}

// predictRows is the number of windows in a batch of a fitted network.
const predictRows = 16

// maxHorizon bounds the steps of a forecast.
const maxHorizon = 1 << 16

// A Forecaster is a network that forecasts all steps at once (the strategy Direct, with
// one output per step). It implements [forecast.Forecaster]. Make it with [New], or
// [Forecaster.Load] it.
//
// The columns of the series are features: past columns in the window; columns known in
// advance in the window and at the steps to forecast. All series share one network, but
// each has its own scale. Missing values are refused.
type Forecaster struct {
	model Model

	mu     sync.Mutex // held while the network runs
	design design
	view   *view
	net    *nn.Net
	batch  batch
	on     string // the device of the last fit
}

// New returns an unfitted forecaster of a model.
func New(m Model) *Forecaster { return &Forecaster{model: m} }

// name is the name used in errors.
func (f *Forecaster) name() string {
	if f.model == nil {
		return "neural"
	}
	return f.model.Name()
}

// Model returns the description of the network, as passed to New or read by Load.
func (f *Forecaster) Model() Model { return f.model }

// Device returns the device of the last Fit, with the reason if
// [Training.Device] did not ask for it: "cpu", "cuda:0 (NVIDIA H200)", "cpu: ...". It returns "" before Fit.
// Predictions always run on the CPU.
func (f *Forecaster) Device() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.on
}

// String returns the name of the model's family.
func (f *Forecaster) String() string {
	if f.model == nil {
		return "none"
	}
	return f.model.Name()
}

// Fit implements [forecast.Forecaster]. Before it trains, it fails with
// [forecast.ErrConfig], [forecast.ErrShort], [forecast.ErrMissing], [forecast.ErrConstant],
// [forecast.ErrColumn] or [forecast.ErrDomain]; later, with [ErrDiverged], [ErrCheckpoint]
// or [ErrDevice]. It ignores opts.Threads and runs on one goroutine. OnIteration must not
// call the forecaster, because that would wait for the fit to end; it may call
// Iteration.Forecast.
func (f *Forecaster) Fit(ctx context.Context, train forecast.Frame, opts forecast.FitOptions) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.net, f.view = nil, nil
	if err := f.fit(ctx, train, opts); err != nil {
		f.net, f.view = nil, nil
		return pkg.Errorf("%s: fit: %w", f.name(), err)
	}
	return nil
}

func (f *Forecaster) fit(ctx context.Context, train forecast.Frame, opts forecast.FitOptions) error {
	if f.model == nil {
		return fmt.Errorf("%w: it has no model", forecast.ErrConfig)
	}
	d, err := f.model.ready()
	if err != nil {
		return err
	}
	if err := possible(ctx, opts); err != nil {
		return err
	}
	v, sources, err := newView(d.training, train, max(1, opts.Horizon), opts.Holdout)
	if err != nil {
		return err
	}
	t := &trainer{Training: d.training, design: d, view: v, sources: sources, past: train, seed: opts.Seed}
	if t.train, t.valid, err = v.samples(sources, opts.Holdout); err != nil {
		return err
	}
	t.Batch = min(t.Batch, len(t.train))
	rows := max(t.Batch, min(len(t.valid), d.training.Batch))
	if t.net, f.on, err = d.build(v, rows); err != nil {
		return err
	}
	defer func(d device.Device) { d.Free() }(t.net.Device)
	t.net.Init(opts.Seed)
	t.m, t.v = t.net.Device.Alloc(t.net.Weights.Len()), t.net.Device.Alloc(t.net.Weights.Len())
	t.order = make([]sample, len(t.train))
	t.batch = d.newBatch(v, rows)
	if err := t.resume(train, opts); err != nil {
		return err
	}
	if err := t.run(ctx, opts); err != nil {
		return err
	}
	net, err := t.predictor()
	if err != nil {
		return err
	}
	f.design, f.view, f.net, f.batch = d, v, net, d.newBatch(v, predictRows)
	return t.done()
}

// Predict implements [forecast.Forecaster]. It fails with [forecast.ErrHorizon] if
// horizon exceeds Fit's, or if the columns known in advance do not reach as far as
// Fit's horizon; with [forecast.ErrShort] for a series shorter than the window;
// with [forecast.ErrColumn] and [forecast.ErrFrequency] for series unlike those of the
// training; with [forecast.ErrMissing] for a missing value; and with [forecast.ErrDomain]
// for a value that cannot be transformed.
func (f *Forecaster) Predict(ctx context.Context, past forecast.Frame, horizon int) (forecast.Frame, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.net == nil {
		return nil, pkg.Errorf("%s: predict: %w", f.name(), forecast.ErrNotFitted)
	}
	out, err := forecastWith(ctx, f.design, f.net, f.view, &f.batch, past, horizon)
	if err != nil {
		return nil, pkg.Errorf("%s: predict: %w", f.name(), err)
	}
	return out, nil
}

func forecastWith(ctx context.Context, d design, net *nn.Net, v *view, b *batch, past forecast.Frame, horizon int) (forecast.Frame, error) {
	if err := v.check(past, horizon); err != nil {
		return nil, err
	}
	sources, samples, err := v.last(past)
	if err != nil {
		return nil, err
	}
	z, err := predict(ctx, d, net, v, b, sources, samples)
	if err != nil {
		return nil, err
	}
	return v.frame(sources, z, horizon)
}

// A Tensor is a part of the weights of a network.
type Tensor struct {
	Name  string // name of the layer and of the tensor in it
	Shape []int
	Data  []float32 // row by row
}

// Tensors returns a copy of the weights, in the network's order. It returns nil before
// Fit.
func (f *Forecaster) Tensors() []Tensor {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.net == nil {
		return nil
	}
	w := make([]float32, f.net.Weights.Len())
	f.net.Device.Read(w, f.net.Weights)
	var out []Tensor
	for _, p := range f.net.Params() {
		n := p.Size()
		out = append(out, Tensor{p.Name, slices.Clone(p.Shape), w[:n:n]})
		w = w[n:]
	}
	return out
}

const forecasterFormat = "attune neural forecaster"

// savedForecaster is the JSON that Save writes. The weights follow it as numbers.
type savedForecaster struct {
	Family  string          `json:"family"`
	Model   json.RawMessage `json:"model"`
	View    savedView       `json:"view"`
	Tensors []savedTensor   `json:"tensors"`
}

type savedTensor struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
}

// Save implements [forecast.Forecaster]. It writes a line of JSON with the description,
// then the weights.
func (f *Forecaster) Save(w io.Writer) error {
	tensors := f.Tensors()
	if tensors == nil {
		return pkg.Errorf("%s: save: %w", f.name(), forecast.ErrNotFitted)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := savedForecaster{Family: f.model.Name()}
	var err error
	if s.Model, err = json.Marshal(f.design.model); err == nil {
		s.View, err = f.view.save()
	}
	var numbers [][]float32
	for _, t := range tensors {
		s.Tensors, numbers = append(s.Tensors, savedTensor{t.Name, t.Shape}), append(numbers, t.Data)
	}
	if err == nil {
		err = writeContainer(w, forecasterFormat, s, numbers...)
	}
	if err != nil {
		return pkg.Errorf("%s: save: %w", f.name(), err)
	}
	return nil
}

// Load implements [forecast.Forecaster]. f becomes the saved forecaster, with the saved
// model. Load fails with [forecast.ErrFormat] for a file that is truncated or damaged, or
// whose weights do not fit the model.
func (f *Forecaster) Load(r io.Reader) error {
	loaded, err := load(r)
	if err != nil {
		return pkg.Errorf("load: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.model, f.design, f.view, f.net, f.batch, f.on = loaded.model, loaded.design, loaded.view, loaded.net, loaded.batch, ""
	return nil
}

func load(r io.Reader) (*Forecaster, error) {
	var s savedForecaster
	weights, err := readContainer(r, forecasterFormat, &s)
	if err != nil {
		return nil, err
	}
	m, err := unmarshalModel(s.Family, s.Model)
	if err != nil {
		return nil, err
	}
	d, err := m.ready()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", forecast.ErrFormat, err)
	}
	v, err := s.View.load()
	if err != nil {
		return nil, err
	}
	d.training.Transform = v.transform
	d.model = d.model.with(d.training)
	dry, err := d.plan(&device.Dry{}, v, predictRows)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", forecast.ErrFormat, err)
	}
	if n := dry.Weights.Len(); n != len(weights) {
		return nil, fmt.Errorf("%w: %d weights for a model of %d", forecast.ErrFormat, len(weights), n)
	}
	d.training.Device = "cpu"
	net, _, err := d.build(v, predictRows)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", forecast.ErrFormat, err)
	}
	params := net.Params()
	same := len(params) == len(s.Tensors)
	for i := 0; same && i < len(params); i++ {
		same = params[i].Name == s.Tensors[i].Name && slices.Equal(params[i].Shape, s.Tensors[i].Shape)
	}
	if !same {
		return nil, fmt.Errorf("%w: the tensors are %v, but the model has %d others", forecast.ErrFormat, s.Tensors, len(params))
	}
	net.Device.Write(net.Weights, weights)
	return &Forecaster{model: d.model, design: d, view: v, net: net, batch: d.newBatch(v, predictRows)}, nil
}

// unmarshalModel decodes the model of a family from its JSON.
func unmarshalModel(family string, text []byte) (Model, error) {
	var m Model
	var err error
	switch family {
	case "lstm":
		m, err = unmarshal[LSTM](text)
	case "tcn":
		m, err = unmarshal[TCN](text)
	case "transformer":
		m, err = unmarshal[Transformer](text)
	default:
		err = fmt.Errorf("there is no family %q", family)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", forecast.ErrFormat, err)
	}
	return m, nil
}

func unmarshal[M Model](text []byte) (Model, error) {
	var m M
	err := json.Unmarshal(text, &m)
	return m, err
}
