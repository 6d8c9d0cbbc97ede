#!/bin/sh
# Trains some 590 models of many kinds, converts each with attune and with skl2onnx and
# onnxmltools, and prints how many each converts and how many of those are right, by kind: see
# kinds.py, whose arguments it takes. It fails if a file of attune is not right. The others take
# about 15 minutes; with --alone, which leaves them out, it takes about three.
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
export OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore ORT_DISABLE_TELEMETRY=1
"$PWD/.venv/onnx/bin/python" scripts/kinds.py "$dir/attune" "$@"
