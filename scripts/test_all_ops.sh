#!/bin/bash
# Every op and case through the files of the cross-backend protocol.
#   test_all_ops.sh [BIN]                  write on ref, compare on cpu
#   test_all_ops.sh --write DIR [BIN]      write on ref, for another machine
#   test_all_ops.sh --compare DIR [BIN]    compare on cpu with what another machine wrote
# BIN: the op_protocol_tests program (default build/release/bin/op_protocol_tests). HEARTH_ISA forces an instruction set.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=both folder=
case "${1:-}" in
  --write | --compare)
    mode=${1#--}
    folder=${2:?"$1 needs a folder"}
    shift 2
    ;;
esac
program=${1:-build/release/bin/op_protocol_tests}
[ -x "$program" ] || { echo "test_all_ops: no program $program; build op_protocol_tests first" >&2; exit 2; }
if [ "$mode" = both ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi

total=0
failures=()

# run_case FOLDER-NAME OPTIONS…
run_case() {
  local at="$folder/$1"
  shift
  total=$((total + 1))
  if [ "$mode" != compare ] && ! "$program" "$@" --backend ref --write "$at" >/dev/null; then
    failures+=("write $*")
    return
  fi
  if [ "$mode" != write ] && ! output=$("$program" --backend cpu --compare "$at" 2>&1); then
    failures+=("$output")
  fi
  [ "$mode" != both ] || rm -rf "$at"
}

while read -r op name axes; do
  types=(f32)
  [[ " $axes " == *" dtype "* || " $axes " == *" cache_dtype "* ]] && types=(f32 bf16)
  for type in "${types[@]}"; do
    run_case "$op/$name/$type" --op "$op" --case "$name" --dtype "$type"
  done
  if [[ " $axes " == *" weight_dtype "* && $name == production ]]; then
    for weight in q8_0 q4_0 q4_1 q5_0 q5_1 q4_k q5_k q6_k; do
      run_case "$op/$name/f32_$weight" --op "$op" --case "$name" --weight_dtype "$weight"
    done
  fi
done < <("$program" --list)

for line in ${failures[@]+"${failures[@]}"}; do echo "$line" >&2; done
echo "test_all_ops: $total cases, ${#failures[@]} failed"
[ ${#failures[@]} -eq 0 ]
