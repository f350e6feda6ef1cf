#!/usr/bin/env bash
# Fuzzes every reader of strangers' bytes (media, records, requests) for so many seconds each (default 5), from the corpus in
# fuzz/corpus.tar.gz, with libFuzzer's coverage on stable Rust.
#   infra/fuzz.sh 240           an hour for all; what is found new stays in the cache folder
#   infra/fuzz.sh --minimise    and goes into the archive, without what adds nothing
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
cache="${TEMOIN_CACHE:-$HOME/.cache/temoin}"
seconds=5 minimise=""
[ "${1:-}" = --minimise ] && minimise=1 || seconds="${1:-5}"
readers=(image/jpeg image/png image/webp image/gif image/tiff image/heic image/avif raw video/mp4 video/webm video/x-msvideo video/mp2t audio/mpeg audio/ogg name record/proof record/note record/event record/manifest record/timestamp record/zip record/kind record/address request/range request/disposition request/digest request/metadata request/filter)

# cargo-fuzz's flags without a sanitizer: the readers have no unsafe code.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
export CARGO_TARGET_DIR="$cache/fuzz-target"
target="$(rustc -vV | sed -n 's/^host: //p')"
cargo build --locked --release --quiet --target "$target"
binary="$CARGO_TARGET_DIR/$target/release/temoin-fuzz"

corpus="$cache/fuzz-corpus"
if [ ! -d "$corpus" ] || [ corpus.tar.gz -nt "$corpus" ]; then
  mkdir -p "$corpus"
  tar -xzf corpus.tar.gz -C "$corpus" --strip-components=1
  touch "$corpus"
fi

log="$(mktemp)"
for reader in "${readers[@]}"; do
  export TEMOIN_FUZZ="$reader"
  name="${reader//\//-}"
  kept="$corpus/$name"
  mkdir -p "$kept"
  if [ -n "$minimise" ]; then
    new="$(mktemp -d)"
    "$binary" -merge=1 -max_len=8000 "$new" "$kept" 2>/dev/null
    rm -rf "$kept" && mv "$new" "$kept"
    echo "$name: $(find "$kept" -type f | wc -l) files"
    continue
  fi
  # A short run leaves the corpus as it is.
  found="$kept"
  [ "$seconds" -ge 60 ] || found="$(mktemp -d)"
  if ! "$binary" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1500 -max_len=60000 -print_final_stats=1 -artifact_prefix="$CARGO_TARGET_DIR/" "$found" "$kept" >"$log" 2>&1; then
    tail -30 "$log"
    echo "the reader of $reader failed; the input lies in $CARGO_TARGET_DIR" >&2
    exit 1
  fi
  echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in ${seconds} s"
done
if [ -n "$minimise" ]; then
  # The same files make the same archive.
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=2026-01-01 --transform='s,^\./,corpus/,' -cf - -C "$corpus" . | gzip -9n >corpus.tar.gz
  touch "$corpus"
fi
