package quantize

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/fault"
)

var calibrate = fault.Hint{Field: "quantize.Options.Calibration", Want: "set %s"}

// bytes quantizes weights to int8.
func (e *editor) bytes(ctx context.Context, o Options) error {
	w := weights{limit: 63}
	if o.Precise {
		w = weights{limit: 127, zero: 128}
	}
	s := e.sites()
	if len(s.convs) > 0 {
		if len(o.Calibration) == 0 {
			return fmt.Errorf("%w: the model has convolutions, which need rows to calibrate them: %w", ErrConfig, calibrate)
		}
		if err := s.calibrate(ctx, e.old, o); err != nil {
			return err
		}
	}
	for _, v := range e.old.Graph.Inputs {
		e.around(s, v.Name)
	}
	for i, old := range e.old.Graph.Nodes {
		n := e.current(old)
		switch {
		case n.Op == "MatMul" && n.Domain == onnx.Standard:
			e.matMul(n, w)
		case n.Op == "LSTM" && n.Domain == onnx.Standard:
			e.lstm(n, w)
		case s.convs[i]:
			e.conv(n, s.ranges[old.Inputs[0]], w)
		default:
			e.nodes = append(e.nodes, n)
		}
		for _, name := range old.Outputs {
			e.around(s, name)
		}
	}
	return nil
}

// weights says how weights become bytes: as integers from -limit to limit, plus zero.
// Signed bytes use only 7 bits, because AVX2 and AVX-512 add pairs of byte products in 16
// bits, which saturate with 8 bits. Unsigned weights are multiplied in another way.
type weights struct {
	limit float64
	zero  int
}

// columns returns weights as integers, and the scale of each column: element i belongs to
// column column(i).
func (w weights) columns(v []float32, n int, column func(i int) int) (q []int, scale []float32) {
	most := make([]float64, n)
	for i, x := range v {
		most[column(i)] = max(most[column(i)], math.Abs(float64(x)))
	}
	scale = make([]float32, n)
	for c, x := range most {
		if scale[c] = float32(x / w.limit); scale[c] == 0 {
			scale[c] = 1
		}
	}
	q = make([]int, len(v))
	for i, x := range v {
		q[i] = int(min(max(math.RoundToEven(float64(x)/float64(scale[column(i)])), -w.limit), w.limit))
	}
	return q, scale
}

// tensor returns integers as a tensor of bytes.
func (w weights) tensor(q []int, dims ...int64) onnx.Tensor {
	if w.zero == 0 {
		signed := make([]int8, len(q))
		for i, x := range q {
			signed[i] = int8(x)
		}
		return onnx.NewTensor("", signed, dims...)
	}
	plain := make([]uint8, len(q))
	for i, x := range q {
		plain[i] = uint8(x + w.zero)
	}
	return onnx.NewTensor("", plain, dims...)
}

// matMul multiplies bytes. The runtime fuses its nodes into one operation.
func (e *editor) matMul(n onnx.Node, by weights) {
	t, w := e.weights(n.Inputs[1], 2)
	if w == nil {
		e.nodes = append(e.nodes, n)
		return
	}
	e.changed++
	a, b, cols := n.Inputs[0], n.Inputs[1], int(t.Dims[1])
	parts := e.dynamic[a]
	if parts == nil {
		parts = e.emit(onnx.Node{Op: "DynamicQuantizeLinear", Inputs: []string{a}}, a+"_bytes", a+"_scale", a+"_zero")
		e.dynamic[a] = parts
	}
	q, scale := by.columns(w, cols, func(i int) int { return i % cols })
	in := []string{parts[0], e.once(b+"_int8", by.tensor(q, t.Dims...)), parts[2]}
	if by.zero != 0 {
		in = append(in, e.once(b+"_zero", onnx.Scalar("", uint8(by.zero))))
	}
	scales := e.once(b+"_scale", onnx.NewTensor("", scale))
	sum := e.emit(onnx.Node{Op: "MatMulInteger", Inputs: in}, n.Outputs[0]+"_int32")
	number := e.emit(onnx.Node{Op: "Cast", Inputs: sum, Attrs: []onnx.Attr{{Name: "to", Value: onnx.Int(onnx.Float32)}}}, n.Outputs[0]+"_cast")
	unit := e.emit(onnx.Node{Op: "Mul", Inputs: []string{parts[1], scales}}, n.Outputs[0]+"_scale")
	e.nodes = append(e.nodes, onnx.Node{Name: n.Name, Op: "Mul", Inputs: []string{number[0], unit[0]}, Outputs: n.Outputs})
}

// once adds a constant that several nodes may share.
func (e *editor) once(name string, t onnx.Tensor) string {
	if e.shared[name] == "" {
		e.shared[name] = e.add(name, t)
	}
	return e.shared[name]
}

// lstm uses one of the runtime's own operators. It takes the weights transposed.
func (e *editor) lstm(n onnx.Node, by weights) {
	tw, tr := e.consts[n.Inputs[1]], e.consts[n.Inputs[2]]
	w, err := onnx.Values[float32](tw)
	r, err2 := onnx.Values[float32](tr)
	if err != nil || err2 != nil || len(w)+len(r) < Least || !allFinite(w) || !allFinite(r) || attr(n, "layout", 0) != 0 {
		e.nodes = append(e.nodes, n)
		return
	}
	e.changed++
	e.foreign = true
	in := slices.Concat(n.Inputs, make([]string, 8))[:8] // X, W, R, B, lengths, state, cells, peepholes
	for i, t := range []onnx.Tensor{tw, tr} {
		v := [][]float32{w, r}[i]
		directions, gates, rows := int(t.Dims[0]), int(t.Dims[1]), int(t.Dims[2])
		side := make([]float32, len(v))
		for j, x := range v {
			d, g, k := j/rows/gates, j/rows%gates, j%rows
			side[(d*rows+k)*gates+g] = x
		}
		q, scale := by.columns(side, directions*gates, func(j int) int { return j/gates/rows*gates + j%gates })
		dims := []int64{t.Dims[0], t.Dims[1]}
		in[1+i] = e.add(t.Name+"_int8", by.tensor(q, t.Dims[0], t.Dims[2], t.Dims[1]))
		in = append(in, e.add(t.Name+"_scale", onnx.NewTensor("", scale, dims...)),
			e.add(t.Name+"_zero", by.tensor(make([]int, directions*gates), dims...)))
	}
	n.Op, n.Domain, n.Inputs = "DynamicQuantizeLSTM", onnx.Microsoft, in
	e.nodes = append(e.nodes, n)
}

func attr(n onnx.Node, name string, otherwise int64) int64 {
	if v, ok := n.Attr(name).(onnx.Int); ok {
		return int64(v)
	}
	return otherwise
}

// A site is the set of places where values become bytes: inputs and outputs of
// convolutions, and sums of these.
type site struct {
	convs  map[int]bool // nodes
	names  []string     // names of the values
	ranges map[string]span
}

// A span is the range of a value.
type span struct{ low, high float64 }

// step returns the value of one step of a byte, and the byte for 0.
func (r span) step() (scale float32, zero uint8) {
	low, high := min(r.low, 0), max(r.high, 0)
	if scale = float32((high - low) / 255); !(scale > 0) {
		return 1, 0
	}
	return scale, uint8(min(max(math.RoundToEven(-low/float64(scale)), 0), 255))
}

// sites finds the convolutions to quantize, and the values around them.
func (e *editor) sites() site {
	s := site{convs: map[int]bool{}, ranges: map[string]span{}}
	nodes := e.old.Graph.Nodes
	users := map[string][]int{}
	for i, n := range nodes {
		for _, name := range n.Inputs {
			users[name] = append(users[name], i)
		}
	}
	output := func(name string) bool {
		return slices.ContainsFunc(e.old.Graph.Outputs, func(v onnx.ValueInfo) bool { return v.Name == name })
	}
	mark := func(name string) bool {
		if _, constant := e.consts[name]; constant || output(name) {
			return false
		}
		if !slices.Contains(s.names, name) {
			s.names = append(s.names, name)
		}
		return true
	}
	// If only a ReLU uses a value, the ReLU's output is quantized instead.
	behind := func(name string) string {
		if u := users[name]; len(u) == 1 && nodes[u[0]].Op == "Relu" && !output(name) {
			return nodes[u[0]].Outputs[0]
		}
		return name
	}
	for i, n := range nodes {
		switch n.Op {
		case "Conv":
			if _, w := e.weights(n.Inputs[1], 0); w != nil && mark(n.Inputs[0]) {
				s.convs[i] = true
				mark(behind(n.Outputs[0]))
			}
		case "Add":
			if slices.Contains(s.names, n.Inputs[0]) && slices.Contains(s.names, n.Inputs[1]) {
				mark(behind(n.Outputs[0]))
			}
		}
	}
	return s
}

// most is the number of calibration rows per run, which returns every value in the network.
const most = 64

// calibrate determines the ranges of the values.
func (s *site) calibrate(ctx context.Context, m *onnx.Model, o Options) error {
	probe := *m
	probe.Graph.Outputs = nil
	for _, name := range s.names {
		probe.Graph.Outputs = append(probe.Graph.Outputs, onnx.ValueInfo{Name: name, Type: onnx.Float32})
	}
	rows, err := o.Calibration.Rows()
	if err != nil {
		return fmt.Errorf("%w: calibration: %w", ErrConfig, err)
	}
	run := o.Run
	if run == nil {
		run = Runtime
	}
	for from := 0; from < rows; from += most {
		out, err := run(ctx, &probe, o.Calibration.Slice(from, min(from+most, rows)))
		if err != nil {
			return fmt.Errorf("calibration: %w", err)
		}
		for _, t := range out {
			v, ok := t.Data.([]float32)
			if !ok {
				return fmt.Errorf("%w: calibration: %v: want float32", ErrConfig, t)
			}
			r := s.ranges[t.Name]
			for _, x := range v {
				if !finite(float64(x)) {
					return fmt.Errorf("%w: calibration: on rows %d to %d the network computes %v in %q", ErrConfig, from, min(from+most, rows)-1, x, t.Name)
				}
				r.low, r.high = min(r.low, float64(x)), max(r.high, float64(x))
			}
			s.ranges[t.Name] = r
		}
	}
	return nil
}

// around converts a value to bytes and back, if it belongs to the site.
func (e *editor) around(s site, name string) {
	r, ok := s.ranges[name]
	if !ok {
		return
	}
	scale, zero := r.step()
	by := []string{e.add(name+"_scale", onnx.Scalar("", scale)), e.add(name+"_zero", onnx.Scalar("", zero))}
	q := e.emit(onnx.Node{Op: "QuantizeLinear", Inputs: []string{name, by[0], by[1]}}, name+"_bytes")
	e.renamed[name] = e.emit(onnx.Node{Op: "DequantizeLinear", Inputs: []string{q[0], by[0], by[1]}}, name+"_back")[0]
}

// conv converts the weights to bytes, and the biases to the form that the runtime adds to
// sums of bytes. The runtime fuses the result with the surrounding nodes.
func (e *editor) conv(n onnx.Node, input span, by weights) {
	e.changed++
	t, w := e.weights(n.Inputs[1], 0)
	outs := int(t.Dims[0])
	q, scale := by.columns(w, outs, func(i int) int { return i / (len(w) / outs) })
	back := func(name string, values, scales onnx.Tensor, zero ...string) string {
		in := append([]string{e.add(name+"_int", values), e.add(name+"_scale", scales)}, zero...)
		return e.emit(onnx.Node{Op: "DequantizeLinear", Inputs: in, Attrs: []onnx.Attr{{Name: "axis", Value: onnx.Int(0)}}}, name+"_back")[0]
	}
	zeros := e.add(t.Name+"_zero", by.tensor(make([]int, outs), t.Dims[0]))
	n.Inputs[1] = back(t.Name, by.tensor(q, t.Dims...), onnx.NewTensor("", scale), zeros)
	if len(n.Inputs) > 2 {
		if b, err := onnx.Values[float32](e.consts[n.Inputs[2]]); err == nil && len(b) == outs {
			unit, _ := input.step()
			sums, steps := make([]int32, outs), make([]float32, outs)
			for i, v := range b {
				steps[i] = unit * scale[i]
				sums[i] = int32(min(max(math.RoundToEven(float64(v)/float64(steps[i])), math.MinInt32), math.MaxInt32))
			}
			n.Inputs[2] = back(n.Inputs[2], onnx.NewTensor("", sums), onnx.NewTensor("", steps))
		}
	}
	e.nodes = append(e.nodes, n)
}
