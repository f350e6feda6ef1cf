#!/usr/bin/env bash
# Writes the list of everything that is built in, as CycloneDX 1.5: infra/sbom.sh [FOLDER]
# program.cdx.json is what Cargo.lock builds into the program, islands.cdx.json what package-lock.json builds into its pages.
set -euo pipefail
cd "$(dirname "$0")/.."
cache="${TEMOIN_CACHE:-$HOME/.cache/temoin}"
to="$(mkdir -p "${1:-sbom}" && cd "${1:-sbom}" && pwd)"
cyclonedx=0.5.9
if [ ! -x "$cache/cyclonedx-$cyclonedx/bin/cargo-cyclonedx" ]; then
  echo "Building cargo-cyclonedx $cyclonedx, once"
  CARGO_TARGET_DIR="$cache/cyclonedx-target" cargo install cargo-cyclonedx --version "$cyclonedx" --locked --root "$cache/cyclonedx-$cyclonedx"
fi
"$cache/cyclonedx-$cyclonedx/bin/cargo-cyclonedx" cyclonedx --format json --spec-version 1.5 --features otlp --override-filename program.cdx --quiet
mv program.cdx.json "$to/"
(cd src/web && npx --yes @cyclonedx/cyclonedx-npm@2.1.0 --package-lock-only --spec-version 1.5 --output-format JSON --output-file "$to/islands.cdx.json")
# A list that lacks something is worse than none.
python3 - "$to" <<'CHECK'
import json, re, sys
to = sys.argv[1]
listed = {(c["name"], c["version"]) for c in json.load(open(f"{to}/program.cdx.json"))["components"]}
locked = re.findall(r'\[\[package\]\]\nname = "([^"]+)"\nversion = "([^"]+)"\nsource', open("Cargo.lock").read())
direct = re.findall(r'^([A-Za-z0-9_-]+) = ', re.split(r'\[dev-dependencies\]', re.split(r'\[dependencies\]', open("Cargo.toml").read())[1])[0], re.M)
missing = [name for name in direct if name not in {n for n, _ in listed}]
assert not missing, f"not in the list: {missing}"
strangers = [c for c in listed if c not in set(locked)]
assert not strangers, f"not what is locked: {strangers}"
islands = json.load(open(f"{to}/islands.cdx.json"))["components"]
tools = {"esbuild", "typescript", "@types/leaflet"}
wanted = set(json.load(open("src/web/package.json"))["devDependencies"]) - tools
have = {(f'{c["group"]}/' if c.get("group") else "") + c["name"] for c in islands}
assert wanted <= have, f"not in the list: {wanted - have}"
print(f"{len(listed)} crates, {len(islands)} packages of the pages")
CHECK
