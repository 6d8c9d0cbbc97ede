#!/bin/sh
# Makes .venv, with the Python packages that requirements.txt pins, and prints
# the path of its interpreter. Steps that were done before are skipped. It takes
# the newest Python from 3.12 on, if there is one, because some packages need it.
set -eu
cd "$(dirname "$0")/.."
want=.venv/requirements.txt
if ! cat scripts/requirements.txt scripts/requirements-nodeps.txt | cmp -s - "$want"; then
	python=python3
	for p in python3.14 python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[2-4]*/bin/python3; do
		if "$p" -c 'import venv, ensurepip' 2>/dev/null; then
			python=$p
			break
		fi
	done
	rm -rf .venv
	"$python" -m venv .venv >&2
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r scripts/requirements.txt >&2
	# Of these what they bring along, drawing and GPUs, is not needed.
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r scripts/requirements-nodeps.txt >&2
	cat scripts/requirements.txt scripts/requirements-nodeps.txt >"$want"
fi
echo "$PWD/.venv/bin/python"
