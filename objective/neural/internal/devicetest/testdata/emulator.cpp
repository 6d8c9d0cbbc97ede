// A CUDA driver with one GPU that the CPU emulates, and the part of cuBLAS that package
// cuda calls. It is stricter than a real one:
//
//   - work begins when the stream is waited for, and not before, so that host memory
//     which is changed too early is noticed;
//   - copies to and from host memory are refused if that is not pinned, or if they leave
//     what was allocated; so is every call without the GPU's context;
//   - the threads of a block run one after the other from barrier to barrier, forwards or
//     backwards (emulator_reverse), so that a missing barrier is noticed.

#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <type_traits>
#include <ucontext.h>
#include <utility>
#include <vector>

#ifdef HEADERS
#include <cuda.h>
#undef cuGetProcAddress
#include <cublas_v2.h>
#else
typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef int CUdevice_attribute;
typedef int cublasStatus_t;
typedef int cublasOperation_t;
typedef struct cublasContext *cublasHandle_t;
typedef struct CUstream_st *cudaStream_t;
#define __host__
#define __device__
#define __global__
#endif

// The kernels, as C++.

namespace kernels {

struct Three {
	unsigned x, y, z;
};
static Three blockIdx, threadIdx, blockDim, gridDim;
static void barrier();

#undef __global__
#undef __device__
#undef __shared__
#define __global__ static
#define __device__ static
#define __shared__ static
#define __syncthreads barrier
#define KERNEL __global__ void
#include KERNELS

// A thread of a block runs as a fiber. It is made once, by ucontext, and goes from block
// to block; _setjmp and _longjmp switch without a call of the system.
struct Fiber {
	jmp_buf at;
	std::vector<char> stack;
	bool made = false, ended;
};
static Fiber fibers[1024];
static jmp_buf scheduler;
static unsigned current;
static bool reverse;
static const std::function<void()> *body;

static void barrier() {
	if (!_setjmp(fibers[current].at)) _longjmp(scheduler, 1);
}

static void enter() {
	for (;;) {
		(*body)();
		fibers[current].ended = true;
		barrier();
	}
}

// resume runs the current fiber up to its next barrier.
static void resume() {
	Fiber &f = fibers[current];
	if (_setjmp(scheduler)) return;
	if (f.made) _longjmp(f.at, 1);
	f.made = true;
	f.stack.resize(1 << 15);
	ucontext_t context;
	getcontext(&context);
	context.uc_stack.ss_sp = f.stack.data();
	context.uc_stack.ss_size = f.stack.size();
	context.uc_link = nullptr;
	makecontext(&context, enter, 0);
	setcontext(&context);
}

static void place(unsigned t) {
	current = t;
	threadIdx = {t % blockDim.x, t / blockDim.x, 0};
}

// run runs a kernel; one with barriers has its threads as fibers.
static void run(const std::function<void()> &f, bool barriers) {
	unsigned threads = blockDim.x * blockDim.y;
	for (unsigned n = 0; n < gridDim.x; n++) {
		blockIdx = {reverse ? gridDim.x - 1 - n : n, 0, 0};
		if (!barriers) {
			for (unsigned t = 0; t < threads; t++) {
				place(reverse ? threads - 1 - t : t);
				f();
			}
			continue;
		}
		body = &f; // of this launch, also for fibers from before
		for (unsigned t = 0; t < threads; t++) fibers[t].ended = false;
		for (bool more = true; more;) {
			more = false;
			for (unsigned i = 0; i < threads; i++) {
				unsigned t = reverse ? threads - 1 - i : i;
				if (fibers[t].ended) continue;
				place(t);
				resume();
				more = more || !fibers[t].ended;
			}
		}
	}
}

// A Kernel unpacks the arguments of a launch, and binds them.
struct Kernel {
	bool barriers;
	std::function<std::function<void()>(void **)> bind;
};

template <class... A, size_t... I> static std::function<void()> unpack(void (*f)(A...), void **args, std::index_sequence<I...>) {
	std::tuple<A...> values(*(A *)args[I]...);
	return [f, values] { std::apply(f, values); };
}

template <class... A> static Kernel kernel(void (*f)(A...), bool barriers) {
	return {barriers, [f](void **args) { return unpack(f, args, std::index_sequence_for<A...>{}); }};
}

static std::map<std::string, Kernel> all = {
#define EACH_KERNEL(name) {#name, kernel(name, false)}
#define BLOCK_KERNEL(name) {#name, kernel(name, true)}
	EACH_KERNEL(copy_rows), EACH_KERNEL(scale_rows), EACH_KERNEL(add), EACH_KERNEL(add_row), EACH_KERNEL(relu),
	EACH_KERNEL(relu_grad), EACH_KERNEL(pointers), EACH_KERNEL(lstm_cell), EACH_KERNEL(lstm_cell_grad),
	EACH_KERNEL(dropout), EACH_KERNEL(adam),
	BLOCK_KERNEL(softmax), BLOCK_KERNEL(softmax_grad), BLOCK_KERNEL(layer_norm), BLOCK_KERNEL(layer_norm_grad),
	BLOCK_KERNEL(add_rows), BLOCK_KERNEL(layer_norm_grad_rows), BLOCK_KERNEL(weight_norm),
	BLOCK_KERNEL(weight_norm_grad), BLOCK_KERNEL(norm2), BLOCK_KERNEL(loss),
};

} // namespace kernels

// The driver.

static std::recursive_mutex mu;
typedef std::lock_guard<std::recursive_mutex> Lock;
static bool initialized;
static thread_local std::vector<CUcontext> contexts;
static CUcontext const theContext = (CUcontext)0x1000;
static CUmodule const theModule = (CUmodule)0x2000;
static std::map<char *, size_t> memory, pinned;
static size_t limit = 1ull << 30, used;
static CUresult broken = (CUresult)0;
static int failing;                  // what the next wait returns
static unsigned long long launches; // kernels and products
struct Stream {
	std::vector<std::function<void()>> work;
};
static std::map<void *, Stream> streams;
struct Blas {
	void *stream;
};

enum { INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, INVALID_DEVICE = 101, INVALID_IMAGE = 200, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500 };

#define FAIL(code) return (CUresult)(code)
#define BEGIN                                                                   \
	Lock lock(mu);                                                              \
	if (broken) return broken;                                                  \
	if (!initialized) FAIL(NOT_INITIALIZED);                                    \
	if (contexts.empty() || contexts.back() != theContext) FAIL(INVALID_CONTEXT)

// lies reports whether a range is within one that was allocated.
static bool lies(const std::map<char *, size_t> &in, const void *p, size_t n) {
	auto after = in.upper_bound((char *)p);
	if (after == in.begin()) return false;
	--after;
	return (char *)p + n <= after->first + after->second;
}

extern "C" {

// Controls of the emulator.
void emulator_limit(size_t bytes) {
	Lock lock(mu);
	limit = bytes;
}
void emulator_fail(int code) {
	Lock lock(mu);
	failing = code;
}
void emulator_mend() {
	Lock lock(mu);
	failing = 0;
	broken = (CUresult)0;
}
void emulator_reverse(int on) {
	Lock lock(mu);
	kernels::reverse = on;
}
size_t emulator_used() {
	Lock lock(mu);
	return used;
}
size_t emulator_launches() {
	Lock lock(mu);
	return launches;
}

CUresult cuInit(unsigned int flags) {
	Lock lock(mu);
	initialized = true;
	FAIL(flags ? INVALID_VALUE : 0);
}

CUresult cuDriverGetVersion(int *version) {
	*version = 12090;
	FAIL(0);
}

CUresult cuGetErrorName(CUresult error, const char **text) {
	switch ((int)error) {
	case OUT_OF_MEMORY: *text = "CUDA_ERROR_OUT_OF_MEMORY"; break;
	case INVALID_CONTEXT: *text = "CUDA_ERROR_INVALID_CONTEXT"; break;
	case INVALID_HANDLE: *text = "CUDA_ERROR_INVALID_HANDLE"; break;
	case 700: *text = "CUDA_ERROR_ILLEGAL_ADDRESS"; break;
	default: FAIL(INVALID_VALUE);
	}
	FAIL(0);
}

CUresult cuDeviceGetCount(int *count) {
	if (!initialized) FAIL(NOT_INITIALIZED);
	*count = 1;
	FAIL(0);
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
	if (ordinal) FAIL(INVALID_DEVICE);
	*device = 7; // a handle, and no number
	FAIL(0);
}

CUresult cuDeviceGetName(char *name, int len, CUdevice dev) {
	if (dev != 7) FAIL(INVALID_DEVICE);
	snprintf(name, len, "emulated");
	FAIL(0);
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice dev) {
	if (dev != 7) FAIL(INVALID_DEVICE);
	if ((int)attribute == 75) *value = 7;
	else if ((int)attribute == 76) *value = 5;
	else FAIL(INVALID_VALUE);
	FAIL(0);
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice dev) {
	if (dev != 7) FAIL(INVALID_DEVICE);
	*context = theContext;
	FAIL(0);
}

CUresult cuCtxPushCurrent_v2(CUcontext context) {
	if (context != theContext) FAIL(INVALID_CONTEXT);
	contexts.push_back(context);
	FAIL(0);
}

CUresult cuCtxPopCurrent_v2(CUcontext *context) {
	if (contexts.empty()) FAIL(INVALID_CONTEXT);
	*context = contexts.back();
	contexts.pop_back();
	FAIL(0);
}

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
	BEGIN;
	if (!strstr((const char *)image, ".target sm_75")) FAIL(INVALID_IMAGE);
	*module = theModule;
	FAIL(0);
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
	BEGIN;
	if (module != theModule) FAIL(INVALID_HANDLE);
	auto found = kernels::all.find(name);
	if (found == kernels::all.end()) FAIL(NOT_FOUND);
	*function = (CUfunction)&found->second;
	FAIL(0);
}

CUresult cuStreamCreate(CUstream *stream, unsigned int flags) {
	BEGIN;
	if (flags != 1) FAIL(INVALID_VALUE);
	void *p = malloc(1);
	streams[p];
	*stream = (CUstream)p;
	FAIL(0);
}

CUresult cuStreamDestroy_v2(CUstream stream) {
	BEGIN;
	if (!streams.erase((void *)stream)) FAIL(INVALID_HANDLE);
	free((void *)stream);
	FAIL(0);
}

CUresult cuStreamSynchronize(CUstream stream) {
	BEGIN;
	auto found = streams.find((void *)stream);
	if (found == streams.end()) FAIL(INVALID_HANDLE);
	if (failing) return broken = (CUresult)failing;
	for (auto &work : found->second.work) work();
	found->second.work.clear();
	FAIL(0);
}

static CUresult enqueue(void *stream, std::function<void()> work) {
	auto found = streams.find(stream);
	if (found == streams.end()) FAIL(INVALID_HANDLE);
	found->second.work.push_back(work);
	FAIL(0);
}

CUresult cuMemAlloc_v2(CUdeviceptr *p, size_t bytes) {
	BEGIN;
	if (bytes == 0) FAIL(INVALID_VALUE);
	if (bytes > limit || used > limit - bytes) FAIL(OUT_OF_MEMORY);
	char *host = (char *)aligned_alloc(256, (bytes + 255) / 256 * 256);
	if (!host) FAIL(OUT_OF_MEMORY);
	memset(host, 0xff, bytes); // NaN
	memory[host] = bytes;
	used += bytes;
	*p = (CUdeviceptr)(uintptr_t)host;
	FAIL(0);
}

CUresult cuMemFree_v2(CUdeviceptr p) {
	BEGIN;
	auto found = memory.find((char *)(uintptr_t)p);
	if (found == memory.end()) FAIL(INVALID_VALUE);
	used -= found->second;
	free(found->first);
	memory.erase(found);
	FAIL(0);
}

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
	BEGIN;
	*free = limit > used ? limit - used : 0;
	*total = limit;
	FAIL(0);
}

CUresult cuMemHostAlloc(void **p, size_t bytes, unsigned int flags) {
	BEGIN;
	if (flags) FAIL(INVALID_VALUE);
	*p = aligned_alloc(4096, bytes);
	pinned[(char *)*p] = bytes;
	FAIL(0);
}

CUresult cuMemFreeHost(void *p) {
	BEGIN;
	if (!pinned.erase((char *)p)) FAIL(INVALID_VALUE);
	free(p);
	FAIL(0);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
	BEGIN;
	char *dst = (char *)(uintptr_t)to;
	if (!lies(memory, dst, bytes) || !lies(pinned, from, bytes)) FAIL(INVALID_VALUE);
	return enqueue((void *)stream, [=] { memcpy(dst, from, bytes); });
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
	BEGIN;
	char *src = (char *)(uintptr_t)from;
	if (!lies(memory, src, bytes) || !lies(pinned, to, bytes)) FAIL(INVALID_VALUE);
	return enqueue((void *)stream, [=] { memcpy(to, src, bytes); });
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
	BEGIN;
	char *dst = (char *)(uintptr_t)to, *src = (char *)(uintptr_t)from;
	if (!lies(memory, dst, bytes) || !lies(memory, src, bytes)) FAIL(INVALID_VALUE);
	return enqueue((void *)stream, [=] { memmove(dst, src, bytes); });
}

CUresult cuMemsetD32Async(CUdeviceptr p, unsigned int value, size_t n, CUstream stream) {
	BEGIN;
	unsigned *dst = (unsigned *)(uintptr_t)p;
	if (!lies(memory, dst, 4 * n)) FAIL(INVALID_VALUE);
	return enqueue((void *)stream, [=] {
		for (size_t i = 0; i < n; i++) dst[i] = value;
	});
}

CUresult cuLaunchKernel(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared, CUstream stream, void **params, void **extra) {
	BEGIN;
	auto kernel = (kernels::Kernel *)function;
	if (!gx || gy != 1 || gz != 1 || !bx || !by || bx * by > 1024 || bz != 1 || shared || extra) FAIL(INVALID_VALUE);
	launches++;
	auto bound = kernel->bind(params); // as the driver does, which copies them
	return enqueue((void *)stream, [=] {
		kernels::gridDim = {gx, 1, 1};
		kernels::blockDim = {bx, by, 1};
		kernels::run(bound, kernel->barriers);
	});
}

// cuBLAS: column by column, as Fortran has it.

#define REFUSE(code) return (cublasStatus_t)(code)

cublasStatus_t cublasCreate_v2(cublasHandle_t *handle) {
	Lock lock(mu);
	if (contexts.empty()) REFUSE(1);
	*handle = (cublasHandle_t) new Blas{nullptr};
	REFUSE(0);
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
	delete (Blas *)handle;
	REFUSE(0);
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
	Lock lock(mu);
	if (!streams.count((void *)stream)) REFUSE(7);
	((Blas *)handle)->stream = (void *)stream;
	REFUSE(0);
}

static bool possible(cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, int lda, int ldb, int ldc) {
	int ra = (int)ta == 0 ? m : k, rb = (int)tb == 0 ? k : n;
	return ((int)ta == 0 || (int)ta == 1) && ((int)tb == 0 || (int)tb == 1) && m > 0 && n > 0 && k > 0 && lda >= ra && ldb >= rb && ldc >= m;
}

static void product(bool ta, bool tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc) {
	for (int j = 0; j < n; j++)
		for (int i = 0; i < m; i++) {
			float s = 0;
			for (int l = 0; l < k; l++) s += (ta ? a[l + i * lda] : a[i + l * lda]) * (tb ? b[j + l * ldb] : b[l + j * ldb]);
			float *at = c + i + j * ldc;
			*at = beta == 0 ? alpha * s : alpha * s + beta * *at;
		}
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, const float *alpha, const float *a, int lda, const float *b, int ldb, const float *beta, float *c, int ldc) {
	Lock lock(mu);
	if (contexts.empty() || !possible(ta, tb, m, n, k, lda, ldb, ldc)) REFUSE(7);
	size_t sa = (size_t)((int)ta == 0 ? k - 1 : m - 1) * lda + ((int)ta == 0 ? m : k);
	size_t sb = (size_t)((int)tb == 0 ? n - 1 : k - 1) * ldb + ((int)tb == 0 ? k : n);
	if (!lies(memory, a, 4 * sa) || !lies(memory, b, 4 * sb) || !lies(memory, c, 4 * ((size_t)(n - 1) * ldc + m))) REFUSE(7);
	launches++;
	float up = *alpha, down = *beta;
	REFUSE(enqueue(((Blas *)handle)->stream, [=] { product((int)ta == 1, (int)tb == 1, m, n, k, up, a, lda, b, ldb, down, c, ldc); }));
}

cublasStatus_t cublasSgemmBatched(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, const float *alpha, const float *const a[], int lda, const float *const b[], int ldb, const float *beta, float *const c[], int ldc, int count) {
	Lock lock(mu);
	if (contexts.empty() || count <= 0 || !possible(ta, tb, m, n, k, lda, ldb, ldc)) REFUSE(7);
	size_t bytes = sizeof(void *) * (size_t)count;
	if (!lies(memory, a, bytes) || !lies(memory, b, bytes) || !lies(memory, c, bytes)) REFUSE(7);
	launches++;
	float up = *alpha, down = *beta;
	REFUSE(enqueue(((Blas *)handle)->stream, [=] {
		for (int i = 0; i < count; i++) product((int)ta == 1, (int)tb == 1, m, n, k, up, a[i], lda, b[i], ldb, down, c[i], ldc);
	}));
}

} // extern "C"
