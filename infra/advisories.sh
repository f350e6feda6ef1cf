#!/usr/bin/env bash
# Asks a database of known vulnerabilities about everything in Cargo.lock: infra/advisories.sh FOLDER
# FOLDER is a clone of https://github.com/rustsec/advisory-db; nothing is fetched.
set -euo pipefail
cd "$(dirname "$0")/.."
cache="${TEMOIN_CACHE:-$HOME/.cache/temoin}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/db"
# (As cargo-deny would call what it fetches.)
git clone --quiet "${1:?a clone of the advisory database}" "$work/db/advisory-db-3157b0e258782691"
git -C "$work/db/advisory-db-3157b0e258782691" fetch --quiet origin
sed "s#^\[advisories\]#[advisories]\ndb-path = \"$work/db\"#" deny.toml >"$work/deny.toml"
echo "advisories until $(git -C "$work/db/advisory-db-3157b0e258782691" log -1 --format=%cs)"
"$cache/deny-0.20.2/bin/cargo-deny" --offline --config "$work/deny.toml" check advisories
