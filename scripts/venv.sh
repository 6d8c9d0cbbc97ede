#!/bin/sh
# Makes .venv, with the Python packages that requirements.txt pins, and prints
# the path of its interpreter. Does nothing that was done before.
set -eu
cd "$(dirname "$0")/.."
want=.venv/requirements.txt
if ! cmp -s scripts/requirements.txt "$want"; then
	python3 -m venv .venv >&2
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r scripts/requirements.txt >&2
	cp scripts/requirements.txt "$want"
fi
echo "$PWD/.venv/bin/python"
