// Package cuda computes networks on an NVIDIA GPU: its [Device] implements device.Device.
//
// So far it has only run on an emulated driver, which executes the kernels on the CPU. Its
// machine code has been assembled but never executed on a GPU.
//
// Building a program needs nothing of CUDA. The package finds what it needs at run time:
// the driver (libcuda.so.1, of CUDA 11.7 or later), cuBLAS of CUDA 11, 12 or 13 that is
// not newer than the driver (from the CUDA toolkit, or from Python's package
// nvidia-cublas-cu12), and a GPU of compute capability 7.5 or later. The environment
// variables ATTUNE_LIBCUDA and ATTUNE_LIBCUBLAS override the libraries.
//
// Products use cuBLAS, in single precision. All other kernels are in kernels.cu, which
// compile.py compiles ahead of time to kernels.ptx. A GPU is used through its primary
// context, which stays until the process ends and takes some hundred MiB of its memory.
// Each Device has its own stream, and its memory in few large blocks. Sums have a fixed
// order, so the same GPU gives the same bits.
package cuda
