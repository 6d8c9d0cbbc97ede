// Package cuda computes networks on an NVIDIA GPU: a [Device] is a device.Device.
//
// It has been run on an emulated driver only, which executes the kernels on the CPU, and
// never yet on a GPU; there its machine code has been assembled, but not executed.
//
// What it needs is looked for at run time, and nothing of it when the program is built:
// the driver (libcuda.so.1, of CUDA 11.7 or later), cuBLAS of CUDA 11, 12 or 13, which
// is no newer than the driver (as the CUDA toolkit has it, or Python's package
// nvidia-cublas-cu12), and a GPU of compute capability 7.5 or later. The environment
// variables ATTUNE_LIBCUDA and ATTUNE_LIBCUBLAS name others than would be found.
//
// Products are cuBLAS's, in single precision; all else are kernels in kernels.cu, of
// which kernels.ptx is made ahead by compile.py. A GPU is used through its primary
// context, which stays until the process ends: some hundred MiB of its memory. Each
// Device has a stream of its own, and memory in few large pieces. Nothing is summed in
// an order that is left to chance: the same GPU gives the same bits.
package cuda
