#!/bin/sh
# Show, for each Python we name, that pip finds a wheel for everything that requirements/run.txt pins.
# Downloads for that Python's tags and runs nothing: "resolved, not run".
set -eu

venv=.venv-lock
tools/make_venv.sh "$venv"
for version in 3.11 3.12 3.13; do
    report=$(mktemp)
    "$venv/bin/python" -m pip install --quiet --dry-run --ignore-installed --only-binary :all: \
        --python-version "$version" --target "$venv/none" --require-hashes \
        --report "$report" -r requirements/run.txt
    "$venv/bin/python" - "$version" "$report" <<'PY'
import json
import sys

version, report = sys.argv[1:]
with open(report, encoding="utf-8") as file:
    found = json.load(file)["install"]
names = sorted(item["metadata"]["name"].lower() for item in found)
heavy = [name for name in names if name.startswith(("torch", "nvidia", "sentence-"))]
wheels = [item["download_info"]["url"].rsplit("/", 1)[1] for item in found]
if heavy or not all(wheel.endswith(".whl") for wheel in wheels):
    sys.exit(f"Python {version}: not only light wheels: {heavy or wheels}")
own = sum(f"cp{version.replace('.', '')}-" in wheel for wheel in wheels)
print(f"Python {version}: {len(wheels)} wheels, {own} of them built for this version; no torch")
PY
    rm -f "$report"
done
