#!/usr/bin/env bash
# Everything that must hold before a change lands: installs what is missing, then formatting, lints, licences, all
# tests on both pairs, the islands built again, and the stories in a real browser with real clients.
set -euo pipefail
cd "$(dirname "$0")/.."
cache="${TEMOIN_CACHE:-$HOME/.cache/temoin}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"

infra/tools.sh
echo "== formatting"
cargo fmt --check
echo "== lints"
cargo clippy --locked --all-targets -- -D warnings
echo "== licences, bans and sources"
cargo fetch --locked --quiet
"$cache/deny-0.20.2/bin/cargo-deny" --offline check bans licenses sources
if [ -n "${TEMOIN_ADVISORIES:-}" ]; then infra/advisories.sh "$TEMOIN_ADVISORIES"; else echo "advisories are not asked: TEMOIN_ADVISORIES names no copy of their database"; fi
echo "== tests on both pairs"
# (With the one feature that is off by default, so that its code is tested, too; the lints above saw the program without it.)
# Four at a time on two processors: much of it waits, for faults to pass.
infra/ceph.sh infra/servers.sh cargo test --locked --features otlp -- --test-threads 4
echo "== the readers of strangers' files, fuzzed for a moment each"
infra/fuzz.sh 5
echo "== what machines are given to run it"
infra/check.sh
echo "== the islands"
(cd src/web && npm ci --no-audit --no-fund --silent && npm run --silent check)
echo "== the running API against its own description"
TEMOIN_TEST_BINARY="$CARGO_TARGET_DIR/debug/temoin" infra/contract.sh
echo "== the stories in a browser, and other people's clients"
(cd tests/browser && npm ci --no-audit --no-fund --silent)
export TEMOIN_TEST_BINARY="$CARGO_TARGET_DIR/debug/temoin"
export TEMOIN_TEST_TUSPY="$cache/tuspy-1.1.0/bin/python"
node --test --test-concurrency=1 tests/browser/
TEMOIN_TEST_PAIR=grown infra/servers.sh node --test --test-concurrency=1 tests/browser/
