package f32

import "math"

// Relu sets dst to max(0, x) for each x of src; the result for NaN is NaN. dst may be src.
func Relu(dst, src []float32) {
	sameLen("Relu", len(dst), len(src))
	i := whole(len(src))
	if i > 0 {
		reluVectors(&dst[0], &src[0], i)
	}
	for i *= 8; i < len(src); i++ {
		dst[i] = max(0, src[i])
	}
}

// ReluGrad sets dx to dy where x, the input of [Relu] or its output, is positive, and
// to 0 elsewhere. dx may be x or dy.
func ReluGrad(dx, x, dy []float32) {
	sameLen("ReluGrad", len(dx), len(x), len(dy))
	i := whole(len(x))
	if i > 0 {
		reluGradVectors(&dx[0], &x[0], &dy[0], i)
	}
	for i *= 8; i < len(x); i++ {
		if x[i] > 0 {
			dx[i] = dy[i]
		} else {
			dx[i] = 0
		}
	}
}

// Softmax sets each row of dst, of cols elements, to the softmax of the row of src. An
// element of -Inf gets probability 0. A row with +Inf or NaN gives NaN, as does one of only
// -Inf. dst may be src. It panics unless len(src) is a multiple of cols.
func Softmax(dst, src []float32, cols int) {
	sameLen("Softmax", len(dst), len(src))
	checkRows("Softmax", len(src), cols)
	for at := 0; at < len(src); at += cols {
		x, y := src[at:at+cols], dst[at:at+cols]
		Affine(y, x, 1, -maximum(x))
		Exp(y, y)
		Scale(1/Sum(y), y)
	}
}

// SoftmaxGrad sets dx to the gradient with respect to the input of [Softmax], given its
// output y and the gradient dy with respect to y: dx = y·(dy − Σ y·dy), where the sum is
// over the row. dx may be dy. It panics unless len(y) is a multiple of cols.
func SoftmaxGrad(dx, y, dy []float32, cols int) {
	sameLen("SoftmaxGrad", len(dx), len(y), len(dy))
	checkRows("SoftmaxGrad", len(y), cols)
	for at := 0; at < len(y); at += cols {
		p, d, out := y[at:at+cols], dy[at:at+cols], dx[at:at+cols]
		Affine(out, d, 1, -Dot(p, d))
		Mul(out, out, p)
	}
}

// LayerNorm normalizes each row of src, of len(gain) elements, to mean 0 and variance 1,
// then scales and shifts it by gain and bias (Ba et al. 2016, arXiv:1607.06450):
//
//	dst = gain·x̂ + bias,  x̂ = (x−μ)/√(σ²+eps)
//
// It stores x̂ in norm and 1/√(σ²+eps) of each row in rstd, for [LayerNormGrad]. norm may
// be src. dst may be norm if no gradient is needed.
func LayerNorm(dst, norm, rstd, src, gain, bias []float32, eps float32) {
	cols := len(gain)
	sameLen("LayerNorm", len(src), len(dst), len(norm), len(rstd)*cols)
	sameLen("LayerNorm", cols, len(bias))
	if cols == 0 {
		return
	}
	for r := range rstd {
		x, h := src[r*cols:(r+1)*cols], norm[r*cols:(r+1)*cols]
		Affine(h, x, 1, -Sum(x)/float32(cols))
		rstd[r] = float32(1 / math.Sqrt(float64(Dot(h, h)/float32(cols)+eps)))
		Scale(rstd[r], h)
		MulAdd(dst[r*cols:(r+1)*cols], h, gain, bias)
	}
}

// LayerNormGrad sets dx to the gradient with respect to the input of [LayerNorm], and adds
// those with respect to gain and bias to dgain and dbias. norm and rstd are as LayerNorm
// left them, and dy is the gradient with respect to its output. dx may be dy.
func LayerNormGrad(dx, dgain, dbias, dy, norm, rstd, gain []float32) {
	cols := len(gain)
	sameLen("LayerNormGrad", len(dy), len(dx), len(norm), len(rstd)*cols)
	sameLen("LayerNormGrad", cols, len(dgain), len(dbias))
	for r, scale := range rstd {
		d, h, out := dy[r*cols:(r+1)*cols], norm[r*cols:(r+1)*cols], dx[r*cols:(r+1)*cols]
		MulAdd(dgain, d, h, dgain)
		Add(dbias, dbias, d)
		Mul(out, d, gain)
		mean, along := Sum(out)/float32(cols), Dot(out, h)/float32(cols)
		Affine(out, out, scale, -scale*mean)
		Axpy(-scale*along, h, out)
	}
}

// LSTMCell computes the state of a batch of LSTM cells from their pre-activations
// (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000):
//
//	c = f·cPrev + i·g        h = o·tanh(c)
//
// gates holds one row of 4·hidden for each row of the batch: the pre-activations of the
// input gate i, the forget gate f, the candidate g and the output gate o, hidden each, in
// this order. LSTMCell replaces them by σ(i), σ(f), tanh(g), σ(o), and sets tanhC to tanh(c);
// [LSTMCellGrad] needs both. cPrev, c, tanhC and h are batch×hidden; c may be cPrev if no
// gradient is needed.
func LSTMCell(h, c, tanhC, gates, cPrev []float32, hidden int) {
	sameLen("LSTMCell", len(h), len(c), len(tanhC), len(cPrev))
	sameLen("LSTMCell", 4*len(h), len(gates))
	checkRows("LSTMCell", len(h), hidden)
	done := whole(hidden)
	for at := 0; at < len(h); at += hidden {
		row := gates[4*at : 4*(at+hidden)]
		if done > 0 {
			lstmCellVectors(&h[at], &c[at], &tanhC[at], &row[0], &cPrev[at], hidden, done, &constants)
		}
		for j := 8 * done; j < hidden; j++ {
			i, f, g, o := sigmoid(row[j]), sigmoid(row[hidden+j]), tanh(row[2*hidden+j]), sigmoid(row[3*hidden+j])
			row[j], row[hidden+j], row[2*hidden+j], row[3*hidden+j] = i, f, g, o
			c[at+j] = fma(f, cPrev[at+j], i*g)
			tanhC[at+j] = tanh(c[at+j])
			h[at+j] = o * tanhC[at+j]
		}
	}
}

// LSTMCellGrad is the backward pass of [LSTMCell]. Given the gradient dh with respect to h
// and dc with respect to c (from the later step), it sets dgates to the gradient with
// respect to the pre-activations and replaces dc by that with respect to cPrev. gates and
// tanhC are as LSTMCell left them; dgates may be gates.
func LSTMCellGrad(dgates, dc, dh, gates, tanhC, cPrev []float32, hidden int) {
	sameLen("LSTMCellGrad", len(dh), len(dc), len(tanhC), len(cPrev))
	sameLen("LSTMCellGrad", 4*len(dh), len(gates), len(dgates))
	checkRows("LSTMCellGrad", len(dh), hidden)
	done := whole(hidden)
	for at := 0; at < len(dh); at += hidden {
		in, out := gates[4*at:4*(at+hidden)], dgates[4*at:4*(at+hidden)]
		if done > 0 {
			lstmCellGradVectors(&out[0], &dc[at], &dh[at], &in[0], &tanhC[at], &cPrev[at], hidden, done, &constants)
		}
		for j := 8 * done; j < hidden; j++ {
			i, f, g, o := in[j], in[hidden+j], in[2*hidden+j], in[3*hidden+j]
			t := tanhC[at+j]
			do := dh[at+j] * o
			s := fma(do, fma(-t, t, 1), dc[at+j])
			dc[at+j] = s * f
			out[j] = s * i * (g * (1 - i))
			out[hidden+j] = s * f * cPrev[at+j] * (1 - f)
			out[2*hidden+j] = s * i * fma(-g, g, 1)
			out[3*hidden+j] = do * (t * (1 - o))
		}
	}
}
