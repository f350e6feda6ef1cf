#!/usr/bin/env bash
# Installs what the tests need on a Debian 12: packages, a Python client, and the two tools that come as source. Built tools are kept
# in a cache folder outside the checkout, since Garage takes over ten minutes to build.
set -euo pipefail

cache="${TEMOIN_CACHE:-$HOME/.cache/temoin}"
garage_version=2.5.0
deny_version=0.20.2
tuspy_version=1.1.0

missing=()
have() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
have chromium chromium
have ffmpeg ffmpeg
have exiftool libimage-exiftool-perl
have sqlite3 sqlite3
have psql postgresql-client
have node nodejs
have npm npm
have openssl openssl
have ssh-keygen openssh-client
have nginx nginx-light
have go golang-go
have curl curl
have faketime faketime
have strace strace
have ceph-mon ceph-mon
have ceph-osd ceph-osd
have radosgw radosgw
have systemd-analyze systemd
PATH="$PATH:/usr/sbin:/sbin" have ip iproute2
PATH="$PATH:/usr/sbin" have clamd clamav-daemon
have pkg-config pkg-config
have cc build-essential
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
[ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ] || missing+=(golang-golang-x-mod-dev)
[ -n "$(ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null)" ] || missing+=(postgresql)
if [ ${#missing[@]} -gt 0 ]; then
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -q
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

mkdir -p "$cache"
if [ ! -x "$cache/tuspy-$tuspy_version/bin/python" ]; then
  echo "Installing tuspy $tuspy_version, once"
  python3 -m venv "$cache/tuspy-$tuspy_version"
  "$cache/tuspy-$tuspy_version/bin/pip" install --quiet "tuspy==$tuspy_version"
fi
if [ ! -e "$cache/oracles-2/ready" ]; then
  echo "Installing other people's judges (bagit, case_validate) and a store with Object Lock (moto), once"
  python3 -m venv "$cache/oracles-2"
  "$cache/oracles-2/bin/pip" install --quiet bagit==1.9.0 case-utils==0.18.0 "moto[server,s3]==5.2.5"
  touch "$cache/oracles-2/ready"
fi
if [ ! -x "$cache/schemathesis-4/bin/schemathesis" ]; then
  echo "Installing schemathesis, once"
  python3 -m venv "$cache/schemathesis-4"
  "$cache/schemathesis-4/bin/pip" install --quiet schemathesis==4.32.5
fi
if [ ! -x "$cache/garage-$garage_version/bin/garage" ]; then
  echo "Building Garage $garage_version, once"
  cargo install garage --version "$garage_version" --locked --root "$cache/garage-$garage_version"
fi
if [ ! -x "$cache/deny-$deny_version/bin/cargo-deny" ]; then
  echo "Building cargo-deny $deny_version, once"
  cargo install cargo-deny --version "$deny_version" --locked --root "$cache/deny-$deny_version"
fi
