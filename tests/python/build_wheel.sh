#!/usr/bin/env bash
# build_wheel.sh PYTHON SOURCE BUILD CC CXX: builds the wheel and installs it into a new environment, BUILD/python/env.
set -euo pipefail
python=$1 source=$2 build=$3
export CC=$4 CXX=$5  # the build's own, by the same names: so the compiler cache has every room already
export CCACHE_BASEDIR=$source CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros
export CMAKE_BUILD_PARALLEL_LEVEL=${HEARTH_JOBS:-$(nproc)}
work=$build/python
rm -rf "$work/env" "$work/wheels"
mkdir -p "$work/wheels"
pip() { "$1" -m pip --disable-pip-version-check -q "${@:2}"; }
# PYTHON has the packages that build (tools/requirements-test.txt): at a place that stays, unlike pip's own environments, so
# that the cache knows their headers. The folder stays, too: a second wheel compiles what changed.
pip "$python" wheel --no-build-isolation --no-deps -w "$work/wheels" --config-settings=build-dir="$source/build/wheel" "$source/python"
"$python" -m venv "$work/env"
pip "$work/env/bin/python" install "$work/wheels"/pyflame_rt-*.whl -r "$source/tools/requirements-python.txt"
pip "$work/env/bin/python" install --no-deps -r "$source/tools/requirements-python.no-deps.txt"
