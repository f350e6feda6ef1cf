#!/usr/bin/env bash
# Holds the running API against its own description: schemathesis makes requests of it, sensible ones and others, and looks at every answer.
#   infra/contract.sh         some for each address (a minute)
#   infra/contract.sh 500     so many for each
# Not asked is whether all that fits the description is taken: it does not say which receipt proves anything, or which number is an exhibit.
# Asks the program that TEMOIN_TEST_BINARY names.
set -euo pipefail
cd "$(dirname "$0")/.."
cache="${TEMOIN_CACHE:-$HOME/.cache/temoin}"
binary="$(realpath "${TEMOIN_TEST_BINARY:?the program to ask}")"
work="$(mktemp -d)"
stop() { [ -z "${server:-}" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"; }
trap stop EXIT
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
export TEMOIN_DATA="$work/data" TEMOIN_LISTEN="127.0.0.1:$port" TEMOIN_ACCOUNTS__SECOND_FACTOR=optional
# What would only say that a machine asks a lot.
export TEMOIN_LIMITS__OPENINGS_PER_BLOCK_HOUR=1000000000 TEMOIN_LIMITS__FILES_PER_BLOCK_HOUR=1000000000
"$binary" serve >"$work/log" 2>&1 &
server=$!
for _ in $(seq 300); do "$binary" health >/dev/null 2>&1 && break; sleep 0.1; done
"$binary" health >/dev/null

"$binary" appeal new CONTRACT --title Contract --what Something --place Place --from 2026-07-14T22:00:00+02:00 --to 2026-07-14T22:30:00+02:00 \
  --near 48.85,2.35 --open >/dev/null
printf %s "correct horse battery" | "$binary" user add ines --role investigator --password-stdin >/dev/null
token="$("$binary" token add ines --purpose investigation --reason "Case 12/2026")"
cat >"$work/schemathesis.toml" <<TOML
[parameters]
"path.code" = "CONTRACT"

# 412 is what tus says to a client of another version, and 413 what is said of too much.
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 428, 429]
TOML

# (It leaves what it remembers where it works.)
description="http://127.0.0.1:$port/api/v1/openapi.json"
cd "$work"
"$cache/schemathesis-4/bin/schemathesis" --config-file "$work/schemathesis.toml" run "$description" \
  --header "Authorization: Bearer $token" --phases examples,coverage,fuzzing --max-examples "${1:-10}" --seed 1 --no-color \
  --request-timeout 60 --workers 1 --warnings off --exclude-checks positive_data_acceptance
if grep -q '"level":"ERROR"' "$work/log"; then grep '"level":"ERROR"' "$work/log" | head -20; exit 1; fi
