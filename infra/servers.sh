#!/usr/bin/env bash
# Starts a PostgreSQL and a Garage (S3) server for the tests, in a folder of their own and on free ports, and runs a
# command beside them: infra/servers.sh COMMAND…
set -euo pipefail

cache="${TEMOIN_CACHE:-$HOME/.cache/temoin}"
garage="$cache/garage-2.5.0/bin/garage"
bin="$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)"
work="$(mktemp -d /tmp/temoin-servers.XXXXXX)"
chmod 755 "$work"
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
read -r pg_port rpc_port s3_port admin_port < <(python3 -c '
import socket
all = [socket.create_server(("127.0.0.1", 0)) for _ in "1234"]
print(*(s.getsockname()[1] for s in all))')

# (What fails here is the exit status of everything: it still writes into what is removed until it has ended.)
stop() {
  if [ -n "${garage_pid:-}" ]; then
    kill "$garage_pid" 2>/dev/null || true
    wait "$garage_pid" 2>/dev/null || true
  fi
  (cd / && as_postgres "$bin/pg_ctl" -D "$work/pg" -m immediate stop >/dev/null 2>&1) || true
  rm -rf "$work" || { sleep 2; rm -rf "$work"; } || echo "left behind: $work" >&2
}
trap stop EXIT

mkdir "$work/pg" "$work/s3"
[ "$(id -u)" != 0 ] || chown postgres "$work/pg"
(
  cd /
  as_postgres "$bin/initdb" -D "$work/pg" -U temoin -A trust -E UTF8 --locale=C >/dev/null
  as_postgres "$bin/pg_ctl" -D "$work/pg" -w -l "$work/pg/log" \
    -o "-p $pg_port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=1000" start >/dev/null
)
export TEMOIN_TEST_ORACLES="$cache/oracles-2/bin"
export TEMOIN_TEST_POSTGRES="postgres://temoin@127.0.0.1:$pg_port/postgres"

secret="$(openssl rand -hex 32)"
(umask 077; cat > "$work/garage.toml" <<TOML
metadata_dir = "$work/s3/meta"
data_dir = "$work/s3/data"
db_engine = "sqlite"
metadata_fsync = true
data_fsync = true
replication_factor = 1
rpc_bind_addr = "127.0.0.1:$rpc_port"
rpc_public_addr = "127.0.0.1:$rpc_port"
rpc_secret = "$secret"
[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.1:$s3_port"
root_domain = ".s3.garage.localhost"
[admin]
api_bind_addr = "127.0.0.1:$admin_port"
admin_token = "$secret"
TOML
)
export AWS_ACCESS_KEY_ID="GK$(openssl rand -hex 12)" AWS_SECRET_ACCESS_KEY="$(openssl rand -hex 32)"
GARAGE_DEFAULT_ACCESS_KEY="$AWS_ACCESS_KEY_ID" GARAGE_DEFAULT_SECRET_KEY="$AWS_SECRET_ACCESS_KEY" GARAGE_DEFAULT_BUCKET=evidence \
  RUST_LOG=warn "$garage" -c "$work/garage.toml" server --single-node --default-bucket >"$work/garage.log" 2>&1 &
garage_pid=$!
for _ in $(seq 600); do
  if python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$admin_port/health', timeout=1)" 2>/dev/null; then ready=1; break; fi
  sleep 0.1
done
[ -n "${ready:-}" ] || { echo "Garage did not start:"; cat "$work/garage.log"; exit 1; }
export TEMOIN_TEST_S3="s3://evidence/PREFIX?endpoint=http://127.0.0.1:$s3_port&region=garage"

"$@"
