#!/usr/bin/env bash
# test_wheel.sh PYTHON SOURCE BUILD: builds the wheel, installs it into a clean environment, runs the tests there.
set -euo pipefail
python=$1 source=$2 build=$3
here=$(dirname "$(readlink -f "$0")") work=$build/python
rm -rf "$work/env" "$work/wheels"; mkdir -p "$work/wheels"
# A build folder of its own that stays: a second wheel compiles what changed only.
"$python" -m pip wheel -q --disable-pip-version-check --no-deps -w "$work/wheels" --config-settings=build-dir="$source/build/wheel" "$source/python"
"$python" -m venv "$work/env"
"$work/env/bin/python" -m pip install -q --disable-pip-version-check "$work/wheels"/pyflame_rt-*.whl -r "$source/tools/requirements-python.txt"
cd "$work"  # not the source folder: what is imported is what was installed
for test in "$here"/test_*.py; do "$work/env/bin/python" -X faulthandler "$test"; done
