#!/bin/sh
# build.sh CARGO TARGET_DIR OUT_DIR: builds the static library and puts it into OUT_DIR.
set -eu
cargo=$1 target=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$target" "$out"
exec 9>"$target/hearth.lock"
flock 9
CARGO_TARGET_DIR="$target" RUSTC_WORKSPACE_WRAPPER="$here/rustc.sh" "$cargo" build --release --locked --manifest-path "$here/Cargo.toml"
cp -f "$target/release/libhearth_rs.a" "$out/libhearth_rs.a.tmp"
mv -f "$out/libhearth_rs.a.tmp" "$out/libhearth_rs.a"
