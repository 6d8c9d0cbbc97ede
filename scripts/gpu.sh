#!/bin/sh
# Checks package cuda on an NVIDIA GPU, and times steps of networks on it and on one core.
#
#   scripts/gpu.sh [folder]
#
# It builds tests into the folder (gpu-check in the temporary folder if none is named).
# If there is a GPU, it runs them. Otherwise copy the folder to a machine with a GPU, with
# Linux on the same kind of processor, the driver (CUDA 11.7 or later) and cuBLAS (the
# toolkit, or pip install nvidia-cublas-cu12), but no Go; run run.sh there.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-${TMPDIR:-/tmp}/gpu-check}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$root"
export CGO_ENABLED=0 # needs no particular libc
go test -c -ldflags='-s -w' -o "$folder/cuda.test" ./objective/neural/internal/cuda
go test -c -ldflags='-s -w' -o "$folder/neural.test" ./objective/neural
cat >"$folder/run.sh" <<'RUN'
#!/bin/sh
# Runs the tests and the benchmarks on the GPU, into result.txt, too. No test is skipped
# for want of a GPU.
cd "$(dirname "$0")" || exit 1
export ATTUNE_TEST_GPU=required
{
	date -u '+%Y-%m-%d %H:%M UTC'
	nvidia-smi --query-gpu=index,name,driver_version,memory.total --format=csv,noheader
	grep -m 1 'model name' /proc/cpuinfo
	./cuda.test -test.v -test.run '^(TestWhere|TestConformance|TestNetworks|TestBeside)$/^GPU$' &&
		./neural.test -test.v -test.run '^TestFitOnGPU$/^GPU$' &&
		./cuda.test -test.run '^$' -test.bench '^BenchmarkStep$' -test.benchtime 1s &&
		echo "all passed"
} 2>&1 | tee result.txt
grep -q '^all passed$' result.txt
RUN
chmod +x "$folder/run.sh"
if ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1' || [ -n "${ATTUNE_LIBCUDA:-}" ]; then
	exec "$folder/run.sh"
fi
echo "there is no GPU here: copy $folder to a machine that has one, and run run.sh there"
