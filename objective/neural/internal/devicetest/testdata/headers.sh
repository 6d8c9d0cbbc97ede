#!/bin/sh
# Compiles the emulator beside cuda.h and cublas_v2.h: the compiler refuses a call that is
# declared otherwise there. Needs Python, and a C++ compiler.
#
#   headers.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q nvidia-cuda-runtime-cu12 nvidia-cublas-cu12 nvidia-cuda-nvcc-cu12 nvidia-cuda-cccl-cu12
nvidia=$(echo "$tmp"/venv/lib/python3*/site-packages/nvidia)
${CXX:-c++} -std=c++17 -fsyntax-only -DHEADERS -I "$nvidia/cuda_runtime/include" -I "$nvidia/cublas/include" -I "$nvidia/cuda_nvcc/include" -I "$nvidia/cuda_cccl/include" \
	-DKERNELS="\"$here/../../cuda/kernels.cu\"" "$here/emulator.cpp"
echo "the declarations are those of CUDA 12"
