#!/usr/bin/env bash
# Starts a one-node Ceph with its S3 gateway for the tests, in a folder of its own and on free ports, and runs a command
# beside it: infra/ceph.sh COMMAND…
# From Debian, with --no-install-recommends: ceph-mon ceph-osd radosgw (they bring ceph-base and ceph-common) and curl.
set -euo pipefail

work="$(mktemp -d /tmp/temoin-ceph.XXXXXX)"
pids=()

# All data is thrown away, so nothing needs to be closed properly: the daemons are killed at once.
stop() {
  { [ ${#pids[@]} = 0 ] || kill -9 "${pids[@]}"; wait; } 2>/dev/null || true
  rm -rf "$work" 2>/dev/null || { sleep 1; rm -rf "$work"; } # a step cut short may still be writing
}
trap stop EXIT
trap 'exit 130' INT # else Bash goes on when the program it waits for makes a normal exit of it
failed() { echo "Ceph did not start: $1" >&2; tail -n 100 "$work/log" >&2; exit 1; }
run() { timeout --foreground 60 "$@" >>"$work/log" 2>&1 || failed "$*"; }
start() { "$@" >>"$work/log" 2>&1 </dev/null & pids+=($!); }

read -r mon_port s3_port < <(python3 -c '
import socket
both = [socket.create_server(("127.0.0.1", 0)) for _ in "12"]
print(*(s.getsockname()[1] for s in both))')

# The OSD looks for free ports itself. The rest, by part:
# - no keys, and so a monitor (its port is in the monmap below) that speaks only the older wire protocol: over the newer
#   one the gateway insists on encryption, cannot have it without keys and hangs;
# - every path that would otherwise lie in /etc/ceph, /var/lib/ceph, /var/log/ceph or /run/ceph;
# - short waits, which are most of the time to start; one copy of the data on the one OSD, whose disk is a sparse file;
# - the OSD stays where the map below puts it: its own report at start is now and then sent before it knows the cluster's
#   id, and it then dies;
# - the least memory an OSD accepts, and a monitor that does not stop when the machine's disk is nearly full;
# - customer keys (SSE-C) also over plain http, and one key in place of a key service (SSE-KMS).
fsid="$(cat /proc/sys/kernel/random/uuid)"
cat > "$work/ceph.conf" <<CONF
[global]
fsid = $fsid
monmap = $work/monmap
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none

run_dir = $work
crash_dir = $work
mon_data = $work/mon
osd_data = $work/osd
rgw_data = $work/rgw
keyring = $work/keyring
admin_socket =
log_file =
mon_cluster_log_file =

paxos_propose_interval = 0.05
bdev_aio_poll_ms = 10
mon_allow_pool_size_one = true
osd_pool_default_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_update_on_start = false
osd_class_update_on_start = false
osd_objectstore = bluestore
bluestore_block_size = $((20 << 30))
osd_memory_target = $((896 << 20))
mon_data_avail_crit = 0
rgw_crypt_require_ssl = false
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = temoin-key=$(openssl rand -base64 32)
rgw_frontends = beast endpoint=127.0.0.1:$s3_port
CONF
export CEPH_CONF="$work/ceph.conf" # also lets the command use radosgw-admin and ceph on this cluster
unset CEPH_ARGS
mkdir "$work"/{mon,osd,rgw}

# The first maps are made as files: the monitor's names its port, the OSD's has osd.0 in it already.
run monmaptool --create --fsid "$fsid" --addv a "[v1:127.0.0.1:$mon_port]" "$work/monmap"
run osdmaptool --createsimple 1 "$work/osdmap"
run ceph-mon --mkfs -i a --monmap "$work/monmap" --osdmap "$work/osdmap"
start ceph-mon -f -i a
run ceph-osd --mkfs -i 0
start ceph-osd -f -i 0

export CEPH_ACCESS_KEY_ID="$(openssl rand -hex 10)" CEPH_SECRET_ACCESS_KEY="$(openssl rand -hex 20)"
run radosgw-admin user create --uid=temoin --display-name=temoin \
  --access-key="$CEPH_ACCESS_KEY_ID" --secret-key="$CEPH_SECRET_ACCESS_KEY"
start radosgw -f -n client.rgw
s3="http://127.0.0.1:$s3_port"
for _ in $(seq 600); do
  if curl -sf --noproxy '*' "$s3/" >/dev/null; then ready=1; break; fi
  sleep 0.1
done
[ -n "${ready:-}" ] || failed radosgw

# The hash of the empty body is given as a header because older curls (7.88) do not send it and Ceph wants it.
bucket() {
  run curl -sSf --noproxy '*' -X PUT --aws-sigv4 "aws:amz:default:s3" --user "$CEPH_ACCESS_KEY_ID:$CEPH_SECRET_ACCESS_KEY" \
    -H "x-amz-content-sha256: $(sha256sum </dev/null | cut -d ' ' -f 1)" "${@:2}" "$s3/$1"
}
bucket evidence
bucket locked -H 'x-amz-bucket-object-lock-enabled: true'
export TEMOIN_TEST_CEPH="s3://evidence/PREFIX?endpoint=$s3&region=default"
export TEMOIN_TEST_CEPH_LOCKED="s3://locked/PREFIX?endpoint=$s3&region=default"

"$@"
