#!/usr/bin/env bash
# Every parser of a partner's bytes under libFuzzer, from the vectors on: no panic, no hang, never more than 256 MiB.
#
#   adapters/fuzz/run.sh [SECONDS] [TARGET…]     600 seconds each, and all targets, unless said otherwise
#
# Needs a C++ compiler and nothing else: the counters are made by the stable compiler, without cargo-fuzz and without a sanitizer.
# What broke something is kept in target/fuzz/<target>/artifacts; `run.sh` with that file as an argument of the program runs it again.
set -euo pipefail
cd "$(dirname "$0")"

seconds="${1:-600}"
shift || true
[ $# -gt 0 ] && targets=("$@") || targets=(fhir xdm mapping olinpe cover drop)
root="$(cd ../.. && pwd)"
work="$root/target/fuzz"
host="$(rustc -vV | sed -n 's/^host: //p')"

declare -A vectors=(
  [fhir]=fhir [xdm]=xdm [mapping]="departement caf" [olinpe]=olinpe [cover]=parquet [drop]=drop
)
# Large enough for a whole vector; more makes it slower, not better.
declare -A longest=([fhir]=65536 [xdm]=65536 [mapping]=32768 [olinpe]=65536 [cover]=32768 [drop]=8192)

export CARGO_TARGET_DIR="${FUZZ_TARGET_DIR:-$work/build}"
# The target is named so that build scripts and macros are not instrumented.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing" \
  cargo build --release --quiet --target "$host"

for target in "${targets[@]}"; do
  mkdir -p "$work/$target/corpus" "$work/$target/artifacts"
  for room in ${vectors[$target]}; do
    for file in ../vectors/"$room"/*; do
      if [ -f "$file" ]; then cp "$file" "$work/$target/corpus/$(basename "$file")"; fi
    done
  done
  printf '%s: ' "$target"
  log="$work/$target/log"
  "$CARGO_TARGET_DIR/$host/release/$target" "$work/$target/corpus" -max_total_time="$seconds" -max_len="${longest[$target]}" -timeout=10 \
    -rss_limit_mb=256 -print_final_stats=1 -artifact_prefix="$work/$target/artifacts/" >"$log" 2>&1 \
    || { tail -n 30 "$log"; exit 1; }
  runs="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
  peak="$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")"
  echo "$runs runs in $seconds s, at most $peak MiB, nothing found"
done
