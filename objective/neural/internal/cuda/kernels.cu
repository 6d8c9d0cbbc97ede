// The kernels of package cuda. compile.py makes kernels.ptx of this file; a test compiles
// it as C++ and runs it on the CPU.
//
// Matrices lie row by row. No vector has 2^31 numbers or more, which device.go sees to:
// indices are of 32 bits. Nothing is added up by atomics, so that sums have the same bits
// each time.

typedef unsigned int u32;
typedef unsigned long long u64;

#ifndef KERNEL
#define KERNEL extern "C" __global__ void
#endif

// For one thread an element, of however many blocks.
#define EACH(i, n) for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)

KERNEL copy_rows(float *dst, u32 dst_stride, const float *src, u32 src_stride, u32 rows, u32 cols) {
	EACH(i, rows * cols) {
		u32 r = i / cols, j = i - r * cols;
		dst[r * dst_stride + j] = src[r * src_stride + j];
	}
}

// What is left of a product over nothing: C = beta*C.
KERNEL scale_rows(float *c, u32 stride, u32 rows, u32 cols, float beta) {
	EACH(i, rows * cols) {
		u32 r = i / cols, at = r * stride + (i - r * cols);
		c[at] = beta == 0 ? 0 : beta * c[at];
	}
}

KERNEL add(float *dst, const float *a, const float *b, u32 n) {
	EACH(i, n) dst[i] = a[i] + b[i];
}

KERNEL add_row(float *x, const float *row, u32 n, u32 cols) {
	EACH(i, n) x[i] += row[i % cols];
}

// A NaN stays one.
KERNEL relu(float *dst, const float *src, u32 n) {
	EACH(i, n) dst[i] = src[i] <= 0 ? 0 : src[i];
}

KERNEL relu_grad(float *dx, const float *y, const float *dy, u32 n) {
	EACH(i, n) dx[i] = y[i] > 0 ? dy[i] : 0;
}

// Where the matrices of a batch of products begin.
KERNEL pointers(u64 *a, u64 *b, u64 *c, u64 a0, u64 b0, u64 c0, u64 a_step, u64 b_step, u64 c_step, u32 count) {
	EACH(i, count) {
		a[i] = a0 + i * a_step;
		b[i] = b0 + i * b_step;
		c[i] = c0 + i * c_step;
	}
}

// Sums of rows: one block of ROW threads a row.

#define ROW 32

__device__ float row_sum(float x, float *part) {
	u32 t = threadIdx.x;
	__syncthreads(); // all have read the sum before
	part[t] = x;
	__syncthreads();
	for (u32 half = ROW / 2; half > 0; half /= 2) {
		if (t < half) part[t] += part[t + half];
		__syncthreads();
	}
	return part[0];
}

__device__ float row_max(float x, float *part) {
	u32 t = threadIdx.x;
	__syncthreads();
	part[t] = x;
	__syncthreads();
	for (u32 half = ROW / 2; half > 0; half /= 2) {
		if (t < half) part[t] = fmaxf(part[t], part[t + half]);
		__syncthreads();
	}
	return part[0];
}

// If causal, row i mod cols sees its first i+1 columns. fmaxf passes over a NaN, but the
// sum does not.
KERNEL softmax(float *dst, const float *src, u32 rows, u32 cols, u32 causal) {
	__shared__ float part[ROW];
	for (u32 r = blockIdx.x; r < rows; r += gridDim.x) {
		const float *x = src + r * cols;
		float *y = dst + r * cols;
		u32 seen = causal ? r % cols + 1 : cols;
		float most = -INFINITY;
		for (u32 j = threadIdx.x; j < seen; j += ROW) most = fmaxf(most, x[j]);
		most = row_max(most, part);
		float sum = 0;
		for (u32 j = threadIdx.x; j < cols; j += ROW) {
			float e = j < seen ? expf(x[j] - most) : 0;
			y[j] = e;
			sum += e;
		}
		float scale = 1 / row_sum(sum, part);
		for (u32 j = threadIdx.x; j < seen; j += ROW) y[j] *= scale;
	}
}

KERNEL softmax_grad(float *dx, const float *y, const float *dy, u32 rows, u32 cols) {
	__shared__ float part[ROW];
	for (u32 r = blockIdx.x; r < rows; r += gridDim.x) {
		u32 at = r * cols;
		float sum = 0;
		for (u32 j = threadIdx.x; j < cols; j += ROW) sum += y[at + j] * dy[at + j];
		sum = row_sum(sum, part);
		for (u32 j = threadIdx.x; j < cols; j += ROW) dx[at + j] = y[at + j] * (dy[at + j] - sum);
	}
}

KERNEL layer_norm(float *dst, float *norm, float *rstd, const float *src, const float *gain, const float *bias, u32 rows, u32 cols, float epsilon) {
	__shared__ float part[ROW];
	for (u32 r = blockIdx.x; r < rows; r += gridDim.x) {
		u32 at = r * cols;
		float sum = 0;
		for (u32 j = threadIdx.x; j < cols; j += ROW) sum += src[at + j];
		float mean = row_sum(sum, part) / cols;
		sum = 0;
		for (u32 j = threadIdx.x; j < cols; j += ROW) {
			float h = src[at + j] - mean;
			norm[at + j] = h; // norm may be src
			sum += h * h;
		}
		float scale = 1 / sqrtf(row_sum(sum, part) / cols + epsilon);
		for (u32 j = threadIdx.x; j < cols; j += ROW) {
			float h = norm[at + j] * scale;
			norm[at + j] = h;
			dst[at + j] = gain[j] * h + bias[j];
		}
		if (threadIdx.x == 0) rstd[r] = scale;
	}
}

KERNEL layer_norm_grad(float *dx, const float *dy, const float *norm, const float *rstd, const float *gain, u32 rows, u32 cols) {
	__shared__ float part[ROW];
	for (u32 r = blockIdx.x; r < rows; r += gridDim.x) {
		u32 at = r * cols;
		float sum = 0, along = 0;
		for (u32 j = threadIdx.x; j < cols; j += ROW) {
			float d = dy[at + j] * gain[j];
			sum += d;
			along += d * norm[at + j];
		}
		float mean = row_sum(sum, part) / cols;
		along = row_sum(along, part) / cols;
		for (u32 j = threadIdx.x; j < cols; j += ROW) // dx may be dy
			dx[at + j] = rstd[r] * (dy[at + j] * gain[j] - mean - along * norm[at + j]);
	}
}

// Sums of columns: a block of WIDTH by LANES threads has WIDTH columns.

#define WIDTH 32
#define LANES 8

__device__ float column_sum(float x, float (*part)[WIDTH]) {
	u32 t = threadIdx.x, lane = threadIdx.y;
	__syncthreads();
	part[lane][t] = x;
	__syncthreads();
	for (u32 half = LANES / 2; half > 0; half /= 2) {
		if (lane < half) part[lane][t] += part[lane + half][t];
		__syncthreads();
	}
	return part[0][t];
}

KERNEL add_rows(float *sum, const float *x, u32 rows, u32 cols) {
	__shared__ float part[LANES][WIDTH];
	u32 j = blockIdx.x * WIDTH + threadIdx.x;
	float s = 0;
	if (j < cols)
		for (u32 r = threadIdx.y; r < rows; r += LANES) s += x[r * cols + j];
	s = column_sum(s, part);
	if (j < cols && threadIdx.y == 0) sum[j] += s;
}

KERNEL layer_norm_grad_rows(float *dgain, float *dbias, const float *dy, const float *norm, u32 rows, u32 cols) {
	__shared__ float part[LANES][WIDTH];
	u32 j = blockIdx.x * WIDTH + threadIdx.x;
	float g = 0, b = 0;
	if (j < cols)
		for (u32 r = threadIdx.y; r < rows; r += LANES) {
			float d = dy[r * cols + j];
			g += d * norm[r * cols + j];
			b += d;
		}
	g = column_sum(g, part);
	b = column_sum(b, part);
	if (j < cols && threadIdx.y == 0) {
		dgain[j] += g;
		dbias[j] += b;
	}
}

KERNEL weight_norm(float *w, float *norm, const float *v, const float *gain, u32 rows, u32 cols) {
	__shared__ float part[LANES][WIDTH];
	u32 j = blockIdx.x * WIDTH + threadIdx.x;
	float s = 0;
	if (j < cols)
		for (u32 r = threadIdx.y; r < rows; r += LANES) s += v[r * cols + j] * v[r * cols + j];
	s = sqrtf(column_sum(s, part));
	if (j >= cols) return;
	if (threadIdx.y == 0) norm[j] = s;
	float scale = gain[j] / s;
	for (u32 r = threadIdx.y; r < rows; r += LANES) w[r * cols + j] = v[r * cols + j] * scale;
}

// With u = v/|v|: dgain = dw*u, dv = gain/|v| * (dw - dgain*u).
KERNEL weight_norm_grad(float *dv, float *dgain, const float *dw, const float *v, const float *gain, const float *norm, u32 rows, u32 cols) {
	__shared__ float part[LANES][WIDTH];
	u32 j = blockIdx.x * WIDTH + threadIdx.x;
	float s = 0;
	if (j < cols)
		for (u32 r = threadIdx.y; r < rows; r += LANES) s += v[r * cols + j] * dw[r * cols + j];
	s = column_sum(s, part);
	if (j >= cols) return;
	float n = norm[j], slope = s / n;
	if (threadIdx.y == 0) dgain[j] = slope;
	for (u32 r = threadIdx.y; r < rows; r += LANES)
		dv[r * cols + j] = gain[j] / n * (dw[r * cols + j] - slope * v[r * cols + j] / n);
}

__device__ float sigmoid(float x) {
	return 1 / (1 + expf(-x));
}

// Gates in the order i, f, g, o: what they are before the activation becomes what they are.
KERNEL lstm_cell(float *h, float *c, float *tanh_c, float *gates, const float *c_prev, u32 n, u32 hidden) {
	EACH(at, n) {
		u32 r = at / hidden;
		float *row = gates + 4 * r * hidden + (at - r * hidden);
		float i = sigmoid(row[0]), f = sigmoid(row[hidden]), g = tanhf(row[2 * hidden]), o = sigmoid(row[3 * hidden]);
		row[0] = i;
		row[hidden] = f;
		row[2 * hidden] = g;
		row[3 * hidden] = o;
		float s = f * c_prev[at] + i * g;
		float t = tanhf(s);
		c[at] = s;
		tanh_c[at] = t;
		h[at] = o * t;
	}
}

// dgates may be gates.
KERNEL lstm_cell_grad(float *dgates, float *dc, const float *dh, const float *gates, const float *tanh_c, const float *c_prev, u32 n, u32 hidden) {
	EACH(at, n) {
		u32 r = at / hidden, first = 4 * r * hidden + (at - r * hidden);
		const float *row = gates + first;
		float *out = dgates + first;
		float i = row[0], f = row[hidden], g = row[2 * hidden], o = row[3 * hidden];
		float t = tanh_c[at], before = dh[at] * o;
		float s = before * (1 - t * t) + dc[at];
		dc[at] = s * f;
		out[0] = s * i * (g * (1 - i));
		out[hidden] = s * f * c_prev[at] * (1 - f);
		out[2 * hidden] = s * i * (1 - g * g);
		out[3 * hidden] = before * (t * (1 - o));
	}
}

#define GOLDEN 0x9e3779b97f4a7c15ull

// As f32.Mix.
__device__ u64 mix(u64 x) {
	x += GOLDEN;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

KERNEL dropout(float *dst, const float *src, u32 n, u32 limit, float keep, u64 seed) {
	EACH(i, n) {
		u64 h = mix(seed + (u64)(i / 4) * GOLDEN) >> 16 * (i % 4);
		float kept = (u32)(h & 0xffff) < limit ? 0 : 1;
		dst[i] = src[i] * keep * kept;
	}
}

// Sums in double precision: one for each block of SUM threads, which device.go adds up.

#define SUM 256

__device__ void block_sum(double x, double *part, double *sums) {
	u32 t = threadIdx.x;
	part[t] = x;
	__syncthreads();
	for (u32 half = SUM / 2; half > 0; half /= 2) {
		if (t < half) part[t] += part[t + half];
		__syncthreads();
	}
	if (t == 0) sums[blockIdx.x] = part[0];
}

KERNEL norm2(double *sums, const float *x, u32 n) {
	__shared__ double part[SUM];
	double s = 0;
	EACH(i, n) s += (double)x[i] * x[i];
	block_sum(s, part, sums);
}

// The kinds of loss are those of device.LossKind. df may be 0.
KERNEL loss(double *sums, u32 kind, float q, float scale, const float *f, const float *truth, const float *weight, float *df, u32 n) {
	__shared__ double part[SUM];
	double s = 0;
	EACH(i, n) {
		float e = truth[i] - f[i], a = fabsf(e), sign = e > 0 ? 1 : e < 0 ? -1 : 0;
		float l = e * e, slope = 2 * e;
		if (kind == 2) {
			l = a;
			slope = sign;
		} else if (kind == 3 && a > q) {
			l = q * (a - q / 2);
			slope = q * sign;
		} else if (kind == 3) { // also of NaN
			l = e * e / 2;
			slope = e;
		} else if (kind == 4) {
			slope = e < 0 ? q - 1 : q;
			l = slope * e;
		}
		float w = weight[i] * scale;
		if (w == 0) l = slope = 0; // the truth may be anything
		s += (double)w * l;
		if (df) df[i] = -w * slope;
	}
	block_sum(s, part, sums);
}

KERNEL adam(float *x, const float *g, float *m, float *v, u32 n, float scale, float b1, float b2, float keep, float rate, float root, float epsilon) {
	EACH(i, n) {
		float d = g[i] * scale;
		float mean = m[i] + b1 * (d - m[i]), square = v[i] + b2 * (d * d - v[i]);
		m[i] = mean;
		v[i] = square;
		x[i] = keep * x[i] - rate * mean / (root * sqrtf(square) + epsilon);
	}
}
