#!/bin/sh
# Trains tree ensembles in Python, converts them with attune, and prints how fast they run on
# one thread: in the library itself, in attune's native predictor, and in ONNX Runtime from Go
# and from Python. It fails if the onnx package refuses a file, or if predictions differ from
# the library's; TestLibraries of export/deploy tests that for more models. It takes about three
# minutes; nothing else should be running.
set -eu
cd "$(dirname "$0")/.."
want=.venv/onnx/requirements.txt
if ! cmp -s scripts/onnx-requirements.txt "$want"; then
	python3 -m venv .venv/onnx >&2
	.venv/onnx/bin/python -m pip install --quiet --disable-pip-version-check -r scripts/onnx-requirements.txt >&2
	cp scripts/onnx-requirements.txt "$want"
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/attune" ./cmd/attune
"$dir/attune" setup onnxruntime >/dev/null
export OMP_NUM_THREADS=1 GOMAXPROCS=1 PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore ORT_DISABLE_TELEMETRY=1
"$PWD/.venv/onnx/bin/python" scripts/onnx_speed.py "$dir/attune" "$dir"
