#!/bin/sh
# regen_guest_bindings.sh [OUT_DIR]: writes the C bindings of wit/ that the C++ guest library is made of (default: sdk/cpp/generated).
# Needs wit-bindgen 0.63.0 on PATH or in the user's cache:
#   cargo install wit-bindgen-cli --version 0.63.0 --locked --no-default-features --features c --root ~/.cache/hearth/tools
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/sdk/cpp/generated}
PATH=$PATH:${HEARTH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hearth}/tools/bin
version=$(wit-bindgen --version 2>/dev/null) || { echo "regen_guest_bindings: wit-bindgen is missing; the head of this script says how to install it" >&2; exit 3; }
case $version in
*" 0.63.0"*) ;;
*) echo "regen_guest_bindings: wit-bindgen; got $version, need 0.63.0" >&2; exit 3 ;;
esac
wit-bindgen c "$root/wit" --world imports --rename-world hearth_guest --no-object-file --out-dir "$out" >/dev/null
