package f32

import "math"

// Relu sets dst to max(0, x) for each x of src. dst may be src.
func Relu(dst, src []float32) {
	sameLen("Relu", len(dst), len(src))
	for i, x := range src {
		dst[i] = max(0, x)
	}
}

// ReluGrad sets dx to dy where x, the input of [Relu] or its output, is positive, and
// to 0 elsewhere. dx may be dy.
func ReluGrad(dx, x, dy []float32) {
	sameLen("ReluGrad", len(dx), len(x), len(dy))
	for i, v := range x {
		if v > 0 {
			dx[i] = dy[i]
		} else {
			dx[i] = 0
		}
	}
}

const (
	geluA = 0.7978845608028654 // √(2/π)
	geluB = 0.044715
)

// Gelu sets dst to ½x(1 + tanh(√(2/π)(x + 0.044715x³))) for each x of src: the tanh form
// of the Gaussian error linear unit (Hendrycks and Gimpel 2016, arXiv:1606.08415). dst
// must not be src, whose values [GeluGrad] needs.
func Gelu(dst, src []float32) {
	sameLen("Gelu", len(dst), len(src))
	for i, x := range src {
		dst[i] = geluA * (x + geluB*x*x*x)
	}
	Tanh(dst, dst)
	for i, x := range src {
		dst[i] = 0.5 * x * (1 + dst[i])
	}
}

// GeluGrad sets dx to dy times the derivative of [Gelu] at x. dx must not be x or dy.
func GeluGrad(dx, x, dy []float32) {
	sameLen("GeluGrad", len(dx), len(x), len(dy))
	for i, v := range x {
		dx[i] = geluA * (v + geluB*v*v*v)
	}
	Tanh(dx, dx)
	for i, v := range x {
		t := dx[i]
		dx[i] = dy[i] * (0.5*(1+t) + 0.5*v*(1-t*t)*geluA*(1+3*geluB*v*v))
	}
}

// Softmax sets each row of dst, of cols elements, to the softmax of the row of src. dst
// may be src. A row with +Inf or NaN gives NaN, as does one of -Inf alone.
func Softmax(dst, src []float32, cols int) {
	sameLen("Softmax", len(dst), len(src))
	for at := 0; at < len(src); at += cols {
		x, y := src[at:at+cols], dst[at:at+cols]
		top := x[0]
		for _, v := range x[1:] {
			top = max(top, v)
		}
		for i, v := range x {
			y[i] = v - top
		}
		Exp(y, y)
		Scale(1/Sum(y), y)
	}
}

// SoftmaxGrad sets dx to the gradient with respect to the input of [Softmax], given its
// output y and the gradient dy with respect to that: dx = y·(dy − Σ y·dy), the sum over
// the row. dx may be dy.
func SoftmaxGrad(dx, y, dy []float32, cols int) {
	sameLen("SoftmaxGrad", len(dx), len(y), len(dy))
	for at := 0; at < len(y); at += cols {
		p, d, out := y[at:at+cols], dy[at:at+cols], dx[at:at+cols]
		s := Dot(p, d)
		for i, v := range p {
			out[i] = v * (d[i] - s)
		}
	}
}

// LayerNorm normalises each row of src, of len(gain) elements, to mean 0 and variance 1,
// then scales and shifts it by gain and bias (Ba et al. 2016, arXiv:1607.06450):
// dst = gain·x̂ + bias, where x̂ = (x−μ)/√(σ²+eps). It keeps x̂ in norm and 1/√(σ²+eps) of
// each row in rstd for [LayerNormGrad]. norm may be src, dst may be neither.
func LayerNorm(dst, norm, rstd, src, gain, bias []float32, eps float32) {
	cols := len(gain)
	sameLen("LayerNorm", len(src), len(dst), len(norm), len(rstd)*cols)
	sameLen("LayerNorm", cols, len(bias))
	for r := range rstd {
		x, h, y := src[r*cols:(r+1)*cols], norm[r*cols:(r+1)*cols], dst[r*cols:(r+1)*cols]
		mean := Sum(x) / float32(cols)
		for i, v := range x {
			h[i] = v - mean
		}
		rstd[r] = 1 / float32(math.Sqrt(float64(Dot(h, h)/float32(cols)+eps)))
		Scale(rstd[r], h)
		for i, v := range h {
			y[i] = v*gain[i] + bias[i]
		}
	}
}

// LayerNormGrad sets dx to the gradient with respect to the input of [LayerNorm] and adds
// those with respect to gain and bias to dgain and dbias, given norm and rstd as LayerNorm
// left them and the gradient dy with respect to its output. dx may be dy.
func LayerNormGrad(dx, dgain, dbias, dy, norm, rstd, gain []float32) {
	cols := len(gain)
	sameLen("LayerNormGrad", len(dy), len(dx), len(norm), len(rstd)*cols)
	sameLen("LayerNormGrad", cols, len(dgain), len(dbias))
	for r, scale := range rstd {
		d, h, out := dy[r*cols:(r+1)*cols], norm[r*cols:(r+1)*cols], dx[r*cols:(r+1)*cols]
		var mean, along float32
		for i, v := range d {
			dgain[i] += v * h[i]
			dbias[i] += v
			v *= gain[i]
			mean += v
			along += v * h[i]
		}
		mean /= float32(cols)
		along /= float32(cols)
		for i, v := range d {
			out[i] = scale * (v*gain[i] - mean - h[i]*along)
		}
	}
}

// LSTMCell computes the state of a batch of LSTM cells from their pre-activations
// (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000):
//
//	c = f·cPrev + i·g        h = o·tanh(c)
//
// gates holds one row of 4·hidden for each row of the batch: the pre-activations of the
// input gate i, the forget gate f, the candidate g and the output gate o, hidden each, in
// this order. They are replaced by σ(i), σ(f), tanh(g), σ(o), which [LSTMCellGrad] needs,
// as it needs tanh(c), left in tanhC. cPrev, c, tanhC and h are batch×hidden; c may be
// cPrev if no gradient is wanted.
func LSTMCell(h, c, tanhC, gates, cPrev []float32, hidden int) {
	sameLen("LSTMCell", len(h), len(c), len(tanhC), len(cPrev), len(gates)/4)
	for r := 0; r*hidden < len(h); r++ {
		row := gates[r*4*hidden : (r+1)*4*hidden]
		Sigmoid(row[:2*hidden], row[:2*hidden])
		Tanh(row[2*hidden:3*hidden], row[2*hidden:3*hidden])
		Sigmoid(row[3*hidden:], row[3*hidden:])
		i, f, g := row[:hidden], row[hidden:2*hidden], row[2*hidden:3*hidden]
		now, before := c[r*hidden:(r+1)*hidden], cPrev[r*hidden:(r+1)*hidden]
		for j := range now {
			now[j] = f[j]*before[j] + i[j]*g[j]
		}
	}
	Tanh(tanhC, c)
	for r := 0; r*hidden < len(h); r++ {
		at := r * hidden
		Mul(h[at:at+hidden], gates[4*at+3*hidden:4*at+4*hidden], tanhC[at:at+hidden])
	}
}

// LSTMCellGrad goes back through [LSTMCell]. Given the gradient dh with respect to h and
// dc with respect to c (from the later step), it sets dgates to the gradient with respect
// to the pre-activations and replaces dc by that with respect to cPrev. gates and tanhC
// are as LSTMCell left them; dgates may be gates.
func LSTMCellGrad(dgates, dc, dh, gates, tanhC, cPrev []float32, hidden int) {
	sameLen("LSTMCellGrad", len(dh), len(dc), len(tanhC), len(cPrev), len(gates)/4, len(dgates)/4)
	for r := 0; r*hidden < len(dh); r++ {
		at := r * hidden
		in, out := gates[4*at:4*(at+hidden)], dgates[4*at:4*(at+hidden)]
		for j := range hidden {
			i, f, g, o := in[j], in[hidden+j], in[2*hidden+j], in[3*hidden+j]
			t, d := tanhC[at+j], dh[at+j]
			s := dc[at+j] + d*o*(1-t*t)
			out[j] = s * g * i * (1 - i)
			out[hidden+j] = s * cPrev[at+j] * f * (1 - f)
			out[2*hidden+j] = s * i * (1 - g*g)
			out[3*hidden+j] = d * t * o * (1 - o)
			dc[at+j] = s * f
		}
	}
}
