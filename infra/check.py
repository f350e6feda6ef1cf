"""What no schema knows, for infra/check.sh: that names of settings and metrics exist, and what we demand of images, secrets and pods.

Writes the dashboard's questions into a file of Prometheus rules, for promtool to read."""

import json
import pathlib
import re
import sys
import tomllib

import yaml

here = pathlib.Path(__file__).parent
root = here.parent
faults = []


class Loader(yaml.SafeLoader):
    """Takes compose's tags (!reset) for what stands behind them."""


Loader.add_multi_constructor("!", lambda loader, _, node: loader.construct_sequence(node))


def load(path):
    return [d for d in yaml.load_all(path.read_text(), Loader) if d]


def fault(path, words):
    faults.append(f"{path.relative_to(here)}: {words}")


# Settings. Others that compose asks its user for, and switches of the command line, are named here.
ASKED = {"SITE", "NODES", "DATABASE_PASSWORD", "LOG_SEED", "VAULT_KEY"}
SWITCHES = {"DEMO", "NO_WORKER"}
defaults = tomllib.loads((root / "src/default.toml").read_text())
settings = {k.upper() for k, v in defaults.items() if not isinstance(v, dict)}
settings |= {f"{k}__{n}".upper() for k, v in defaults.items() if isinstance(v, dict) for n in v}
files = [p for p in sorted(here.rglob("*")) if p.is_file() and p.suffix not in (".sh", ".py") and ".terraform" not in p.parts]
for path in files:
    for name in re.findall(r"\bTEMOIN_([A-Z][A-Z0-9_]*)", path.read_text()):
        if name not in settings | ASKED | SWITCHES and not (path.name.endswith("web.yaml") or name == "PORT"):
            fault(path, f"TEMOIN_{name} is no setting of src/default.toml")

# Images.
composes = {p: load(p)[0] for p in sorted(here.glob("compose*.yaml"))}
pods = {}
for path in sorted((here / "kubernetes").glob("*.yaml")):
    for doc in load(path):
        if doc["kind"] == "Secret":
            fault(path, "secrets stay out of files")
        if doc["kind"] in ("Deployment", "Job"):
            pods[path] = doc["spec"]["template"]["spec"]
images = [(p, s["image"]) for p, c in composes.items() for s in c["services"].values() if "image" in s]
images += [(p, c["image"]) for p, pod in pods.items() for c in pod["containers"]]
for path, image in images:
    if not re.search(r":v?\d+\.\d+\.\d+|:\d+\.\d+-", image):
        fault(path, f"{image} has no version")

# Secrets: asked for, with words, at least once.
for path in composes:
    for name, value in re.findall(r"^\s*(\w*(?:PASSWORD|SECRET|KEY)\w*): (.+)$", path.read_text(), re.M):
        if not re.fullmatch(r"\$\{\w+:\?.*\}", value):
            fault(path, f"{name} has a value")

# Pods: what the namespace enforces, and what else they need.
for path, pod in pods.items():
    own = pod.get("securityContext", {})
    wanted = {
        "runAsNonRoot": own.get("runAsNonRoot") is True,
        "seccompProfile": own.get("seccompProfile") == {"type": "RuntimeDefault"},
        # The Service's variables would be taken for settings.
        "enableServiceLinks: false": pod.get("enableServiceLinks") is False,
        "automountServiceAccountToken: false": pod.get("automountServiceAccountToken") is False,
    }
    for c in pod["containers"]:
        s = c.get("securityContext", {})
        wanted["allowPrivilegeEscalation: false"] = s.get("allowPrivilegeEscalation") is False
        wanted["readOnlyRootFilesystem"] = s.get("readOnlyRootFilesystem") is True
        wanted["capabilities dropped"] = s.get("capabilities") == {"drop": ["ALL"]}
        wanted["a limit of memory"] = "memory" in c.get("resources", {}).get("limits", {})
    for what in (w for w, held in wanted.items() if not held):
        fault(path, f"the pod lacks {what}")

# Alerts and their sections.
alerts = here / "alerts.yaml"
rules = [r for g in load(alerts)[0]["groups"] for r in g["rules"]]
manual = next(p for p in (root / "docs/operate/alerts.md", here / "alerts.md") if p.exists())
sections = re.findall(r"^## (\w+)$", manual.read_text(), re.M)
if sections != [r["alert"] for r in rules]:
    fault(alerts, f"the sections of {manual.name} are not the alerts, in order: {set(sections) ^ {r['alert'] for r in rules}}")
for rule in rules:
    said = rule.get("annotations", {})
    if rule.get("labels", {}).get("severity") not in ("page", "ticket"):
        fault(alerts, f"{rule['alert']} is neither page nor ticket")
    if not said.get("summary") or not said.get("description"):
        fault(alerts, f"{rule['alert']} does not say what it means and what to do")
    if said.get("runbook") != f"docs/operate/alerts.md#{rule['alert'].lower()}":
        fault(alerts, f"{rule['alert']} points to no section")

# The dashboard.
board = here / "dashboard.json"
panels = json.loads(board.read_text())["panels"]
taken, questions = {}, []
for panel in panels:
    at = panel["gridPos"]
    for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
        if cell[0] >= 24 or cell in taken:
            fault(board, f"{panel['title']} lies on {taken.get(cell, 'the edge')}")
            break
        taken[cell] = panel["title"]
    for target in panel.get("targets", []):
        questions.append(target["expr"].replace("$__rate_interval", "5m"))
        if target["datasource"]["uid"] != "${datasource}":
            fault(board, f"{panel['title']} asks a data source of its own")
if len({p["id"] for p in panels}) != len(panels):
    fault(board, "two panels have one id")
named = [{"record": f"q{n}", "expr": q} for n, q in enumerate(questions)]
pathlib.Path(sys.argv[1]).write_text(json.dumps({"groups": [{"name": "dashboard", "rules": named}]}))

# Metrics: all that are asked for exist, and all that exist are looked at.
source = "\n".join(p.read_text() for p in (root / "src").rglob("*.rs"))
made = set(re.findall(r'"(temoin_[a-z_]+)"', source))
# What the crate metrics-process counts.
made |= {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds"}
asked = {re.sub(r"_bucket$", "", m) for q in questions + [r["expr"] for r in rules] for m in re.findall(r"\b((?:temoin|process)_[a-z_]+)", q)}
for name in sorted(asked - made):
    faults.append(f"{name} is asked for, and nothing in src/ makes it")
for name in sorted(m for m in made - asked if m.startswith("temoin_")):
    faults.append(f"{name} is made, and neither an alert nor the dashboard looks at it")

print("\n".join(faults) or f"{len(files)} files, {len(images)} images, {len(pods)} pods, {len(rules)} alerts, {len(panels)} panels")
sys.exit(1 if faults else 0)
