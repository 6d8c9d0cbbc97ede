package nn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/neural/internal/device"
	"github.com/attune-hpo/attune/objective/neural/internal/f32"
)

const pkg fault.Package = "nn"

// A Shape is the shape of an activation: Features numbers at each of Steps steps, for
// each row of the batch.
type Shape struct{ Steps, Features int }

// Size returns the count of numbers in a row.
func (s Shape) Size() int { return s.Steps * s.Features }

// A Param is a tensor of weights.
type Param struct {
	Name  string
	Shape []int
	Init  Init
}

// Size returns the count of numbers in p.
func (p Param) Size() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}

// A Pass is a run of the network over a batch.
type Pass struct {
	Rows  int    // size of the batch
	Train bool   // with dropout
	Seed  uint64 // seed of the dropout
	ctx   context.Context
}

// stopped reports whether the pass must end early.
func (p *Pass) stopped() bool { return p.ctx.Err() != nil }

// A Layer is an operation of a network. In Forward it may keep results for the following
// Backward.
type Layer interface {
	Params() []Param
	// Plan is called once, before the other methods. It takes the memory that the layer
	// needs and returns the shape of its output.
	Plan(m *Memory, in []Shape) (Shape, error)
	// Forward computes the output from the inputs and weights.
	Forward(p *Pass, in []device.Vec, w []device.Vec, out device.Vec)
	// Backward sets the gradients with respect to the inputs (unless they are empty) and to
	// the weights, given the gradient with respect to the output.
	Backward(p *Pass, in, w []device.Vec, out, dout device.Vec, din, dw []device.Vec)
}

// A Value is the output of an operation of a [Builder].
type Value struct{ u *unit }

// Shape returns the shape of v.
func (v Value) Shape() Shape { return v.u.shape }

// A unit is a node of the graph with its memory.
type unit struct {
	id     int
	name   string
	net    *Net
	layer  Layer // nil for an input
	shape  Shape
	in     []*unit
	used   bool
	params []Param
	first  int  // first of its weights among the net's
	size   int  // number of its weights
	learns bool // it or something before it has weights

	out, dout       device.Vec // sized for the largest batch
	weights, slopes []device.Vec
	inNow, dinNow   []device.Vec // sized for the current batch
	node            *gorgonia.Node
}

// Memory provides memory to layers.
type Memory struct {
	device.Device
	Rows    int // size of the largest batch
	scratch map[[2]int]device.Vec
}

// Scratch returns a vector whose content is lost after each call of a layer's method:
// layers share scratch vectors of the same size and place.
func (m *Memory) Scratch(place, n int) device.Vec {
	v, ok := m.scratch[[2]int{place, n}]
	if !ok {
		v = m.Alloc(n)
		m.scratch[[2]int{place, n}] = v
	}
	return v
}

// A Builder makes a network.
type Builder struct {
	mem   Memory
	units []*unit
	err   error
}

// NewBuilder returns a builder of a network on a device, for batches of at most rows rows.
func NewBuilder(d device.Device, rows int) *Builder {
	return &Builder{mem: Memory{d, rows, map[[2]int]device.Vec{}}}
}

// Input declares an input.
func (b *Builder) Input(name string, s Shape) Value {
	u := &unit{id: len(b.units), name: name, shape: s, out: b.mem.Alloc(b.mem.Rows * s.Size())}
	b.units = append(b.units, u)
	return Value{u}
}

// Apply adds a layer with the given inputs.
func (b *Builder) Apply(name string, l Layer, in ...Value) Value {
	u := &unit{id: len(b.units), name: name, layer: l}
	var shapes []Shape
	for _, v := range in {
		u.in = append(u.in, v.u)
		shapes = append(shapes, v.u.shape)
		u.learns = u.learns || v.u.learns
		if v.u.used && v.u.learns && b.err == nil {
			b.err = pkg.Errorf("%s: another layer already provides the gradient of %s", name, v.u.name)
		}
		v.u.used = true
	}
	if b.err == nil && slices.ContainsFunc(b.units, func(v *unit) bool { return v.name == name }) {
		b.err = pkg.Errorf("%s: the name is taken", name) // gorgonia would merge the two
	}
	b.units = append(b.units, u)
	if b.err != nil {
		return Value{u}
	}
	if u.shape, b.err = l.Plan(&b.mem, shapes); b.err != nil {
		b.err = pkg.Errorf("%s: %w", name, b.err)
		return Value{u}
	}
	u.params = l.Params()
	for _, p := range u.params {
		u.size += p.Size()
	}
	u.learns = u.learns || u.size > 0
	u.out = b.mem.Alloc(b.mem.Rows * u.shape.Size())
	if u.learns {
		u.dout = b.mem.Alloc(b.mem.Rows * u.shape.Size())
	}
	u.inNow, u.dinNow = make([]device.Vec, len(in)), make([]device.Vec, len(in))
	return Value{u}
}

// A Net is a network that is ready to run. Only one goroutine may use it at a time.
type Net struct {
	Device  device.Device
	Weights device.Vec // weights of all layers, one after another
	Slopes  device.Vec // the gradient of the loss with respect to them

	rows      int
	units     []*unit
	inputs    []*unit
	output    *unit
	truth     *unit
	weight    *unit
	loss      device.Loss
	scale     float32
	measured  float64
	pass      Pass
	ahead     []func() // the operations of a pass, in order
	back      []func()
	at        string // the running operation
	graph     *gorgonia.ExprGraph
	gradients gorgonia.Nodes
}

// Build finishes the network. The loss measures out, its output.
func (b *Builder) Build(out Value, loss device.Loss) (*Net, error) {
	if b.err != nil {
		return nil, b.err
	}
	n := &Net{Device: b.mem.Device, rows: b.mem.Rows, units: b.units, output: out.u, loss: loss}
	size := 0
	for _, u := range b.units {
		u.net, u.first = n, size
		size += u.size
		if u.layer == nil {
			n.inputs = append(n.inputs, u)
		}
	}
	n.Weights, n.Slopes = b.mem.Alloc(size), b.mem.Alloc(size)
	for _, u := range b.units {
		at := u.first
		for _, p := range u.params {
			u.weights = append(u.weights, n.Weights.Part(at, at+p.Size()))
			u.slopes = append(u.slopes, n.Slopes.Part(at, at+p.Size()))
			at += p.Size()
		}
	}
	n.truth, n.weight = b.Input("truth", out.u.shape).u, b.Input("weight", out.u.shape).u
	if err := n.differentiate(); err != nil {
		return nil, pkg.Errorf("build: %w", err)
	}
	return n, nil
}

// graphs is held while a graph is built: gorgonia.Grad puts the same node, gorgonia's
// constant 1, into every graph, and writes to it the first time.
var graphs sync.Mutex

// differentiate builds the graph, makes gorgonia add the backward passes, and orders the
// operations.
func (n *Net) differentiate() error {
	graphs.Lock()
	defer graphs.Unlock()
	n.graph = gorgonia.NewGraph()
	var with gorgonia.Nodes
	for _, u := range append(slices.Clone(n.units), n.truth, n.weight) {
		if u.layer == nil {
			u.node = n.variable(u.name, u.out, n.rows, u.shape)
			continue
		}
		var in gorgonia.Nodes
		for _, i := range u.in {
			in = append(in, i.node)
		}
		if u.size > 0 {
			w := n.variable(u.name+" weights", n.Weights.Part(u.first, u.first+u.size), 1, Shape{1, u.size})
			in, with = append(in, w), append(with, w)
		}
		var err error
		if u.node, err = gorgonia.ApplyOp(op{kind: forward, net: n, u: u}, in...); err != nil {
			return err
		}
	}
	cost, err := gorgonia.ApplyOp(op{kind: measure, net: n, u: n.output}, n.output.node, n.truth.node, n.weight.node)
	if err != nil {
		return err
	}
	if n.gradients, err = gorgonia.Grad(cost, with...); err != nil {
		return err
	}
	sorted, err := gorgonia.Sort(n.graph)
	if err != nil {
		return err
	}
	slices.Reverse(sorted)
	for _, node := range sorted {
		o, ours := node.Op().(op)
		switch {
		case ours && o.kind == forward:
			n.ahead = append(n.ahead, o.run)
		case ours:
			n.back = append(n.back, o.run)
		case node.Op() != nil && node.Op().Arity() > 0: // not an input, nor a constant
			return fmt.Errorf("gorgonia added an operation of its own: %v", node.Op())
		}
	}
	return nil
}

// variable returns an input node. A vector on another device has no value that gorgonia
// could see.
func (n *Net) variable(name string, v device.Vec, rows int, s Shape) *gorgonia.Node {
	shape := tensor.Shape{s.Steps, rows, s.Features}
	opts := []gorgonia.NodeConsOpt{gorgonia.WithName(name), gorgonia.WithShape(shape...)}
	if v.Host() != nil {
		opts = append(opts, gorgonia.WithValue(asTensor(v, shape)))
	}
	return gorgonia.NewTensor(n.graph, tensor.Float32, 3, opts...)
}

func asTensor(v device.Vec, shape tensor.Shape) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(v.Host()))
}

// Params returns the tensors of the weights, in the order of [Net.Weights]. Each name
// begins with the name of the layer.
func (n *Net) Params() []Param {
	var all []Param
	for _, u := range n.units {
		for _, p := range u.params {
			p.Name = u.name + "." + p.Name
			all = append(all, p)
		}
	}
	return all
}

// Init initializes the weights of all layers from a seed.
func (n *Net) Init(seed uint64) {
	own := n.Weights.Host()
	host := own
	if own == nil {
		host = make([]float32, n.Weights.Len())
	}
	at := 0
	for i, p := range n.Params() {
		p.Init(host[at:at+p.Size()], f32.Mix(seed^f32.Mix(uint64(i))))
		at += p.Size()
	}
	if own == nil {
		n.Device.Write(n.Weights, host)
	}
}

// Rows returns the maximum number of rows of a batch.
func (n *Net) Rows() int { return n.rows }

// Out returns the shape of the output.
func (n *Net) Out() Shape { return n.output.shape }

// A Batch is the input of a pass. Its numbers are time-major, and as many as its rows need.
type Batch struct {
	Rows   int
	Inputs [][]float32 // in the order of the declarations
	Truth  []float32   // like the output; not needed by Predict
	Weight []float32   // weight of each loss; a truth of weight 0 is ignored
}

// Predict runs the network forward, without dropout, and writes the output to dst.
func (n *Net) Predict(ctx context.Context, b Batch, dst []float32) error {
	n.begin(ctx, b, Pass{})
	if err := n.run(n.ahead); err != nil {
		return err
	}
	n.Device.Read(dst, n.output.now(b.Rows))
	return nil
}

// Loss returns the weighted mean of the losses, without dropout. It is 0 if all weights
// are 0.
func (n *Net) Loss(ctx context.Context, b Batch) (float64, error) {
	n.begin(ctx, b, Pass{})
	if err := n.run(n.ahead); err != nil {
		return 0, err
	}
	n.measure(device.Vec{})
	return n.measured, nil
}

// Step runs the network forward and back, with dropout from seed. It returns the weighted
// mean of the losses and leaves its gradient in [Net.Slopes].
func (n *Net) Step(ctx context.Context, b Batch, seed uint64) (float64, error) {
	n.begin(ctx, b, Pass{Train: true, Seed: seed})
	if err := n.run(n.ahead); err != nil {
		return 0, err
	}
	return n.measured, n.run(n.back)
}

// begin hands a batch to the device.
func (n *Net) begin(ctx context.Context, b Batch, p Pass) {
	p.Rows, p.ctx = b.Rows, ctx
	n.pass = p
	for i, u := range n.inputs {
		n.Device.Write(u.now(b.Rows), b.Inputs[i])
	}
	if b.Truth == nil {
		return
	}
	n.Device.Write(n.truth.now(b.Rows), b.Truth)
	n.Device.Write(n.weight.now(b.Rows), b.Weight)
	sum := 0.0
	for _, w := range b.Weight {
		sum += float64(w)
	}
	n.scale = 0
	if sum > 0 {
		n.scale = float32(1 / sum)
	}
}

// run runs operations in order. A panic in one is a bug, but does not end the process: run
// returns it as an error.
func (n *Net) run(ops []func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = pkg.Errorf("%s: %w: %v", n.at, errPanic, r)
		}
	}()
	for _, op := range ops {
		if n.pass.stopped() {
			return context.Cause(n.pass.ctx)
		}
		op()
	}
	if n.pass.stopped() { // stopped during the last operation
		return context.Cause(n.pass.ctx)
	}
	return nil
}

var errPanic = errors.New("an operation panicked")

func (n *Net) measure(slopes device.Vec) {
	rows := n.pass.Rows
	n.measured = n.Device.Loss(n.loss, n.scale, n.output.now(rows), n.truth.now(rows), n.weight.now(rows), slopes)
}

// now returns the part of u's output that the batch uses.
func (u *unit) now(rows int) device.Vec { return u.out.To(rows * u.shape.Size()) }

// begin prepares a layer's inputs for the batch.
func (u *unit) begin() int {
	rows := u.net.pass.Rows
	for i, in := range u.in {
		u.inNow[i], u.dinNow[i] = in.now(rows), device.Vec{}
		if in.learns {
			u.dinNow[i] = in.dout.To(rows * in.shape.Size())
		}
	}
	u.net.at = u.name
	return rows
}

func (u *unit) forward() {
	rows := u.begin()
	u.layer.Forward(&u.net.pass, u.inNow, u.weights, u.now(rows))
}

func (u *unit) backward() {
	rows := u.begin()
	u.layer.Backward(&u.net.pass, u.inNow, u.weights, u.now(rows), u.dout.To(rows*u.shape.Size()), u.dinNow, u.slopes)
}

// site returns the seed of dropout number i of a layer.
func (p *Pass) site(layer uint64, i int) uint64 {
	return f32.Mix(f32.Mix(p.Seed^f32.Mix(layer)) + uint64(i))
}

// Inputs returns the shapes of the inputs, in the order of their declarations.
func (n *Net) Inputs() []Shape {
	var shapes []Shape
	for _, u := range n.inputs {
		shapes = append(shapes, u.shape)
	}
	return shapes
}
