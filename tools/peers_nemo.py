"""Run a suite of NeMo tests three times: without rails, with NVIDIA's regex rail, with ours.

    .venv-nemo/bin/python tools/peers_nemo.py [SUITE]

SUITE is a folder of tests or one file; without it, the scenarios in tests/integrations/nemo/peers.
To run NVIDIA's own tests, clone NeMo Guardrails at the version that is installed and name its tests.
Fails where something fails with our rails that does not with NVIDIA's.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

PEERS = Path(__file__).parents[1] / "tests" / "integrations" / "nemo" / "peers"
ARMS = ("none", "regex", "ours")


def outcomes(arm: str, suite: Path) -> dict[str, bool]:
    """Return whether each test passes with an arm's rails."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-q", "-p", "arms", "-p", "no:cacheprovider", "-W", "ignore", "-c", os.devnull]
        subprocess.run(  # noqa: S603 - our own tests
            [
                *(sys.executable, "-m", "pytest", *options, f"--rootdir={suite}"),
                *(f"--junitxml={report}", str(suite)),
            ],
            env={**os.environ, "ARM": arm, "PYTHONPATH": str(PEERS)},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        root = ET.parse(report).getroot()  # noqa: S314 - pytest has just written it
    return {
        f"{case.get('classname')}::{case.get('name')}": not {"failure", "error"}
        & {part.tag for part in case}
        for case in root.iter("testcase")
    }


def main(suite: Path) -> int:
    """Print what each arm fails, and return how many fail with our rails alone."""
    results = {arm: outcomes(arm, suite) for arm in ARMS}
    for arm, found in results.items():
        passed = sum(found.values())
        print(f"{arm:<6} {passed} passed, {len(found) - passed} failed")
    price = [t for t, passed in results["none"].items() if passed and not results["regex"].get(t)]
    print("fail with NVIDIA's rail and not without:", ", ".join(sorted(price)) or "none")
    extra = [t for t, passed in results["regex"].items() if passed and not results["ours"].get(t)]
    print("fail with ours and not with NVIDIA's:", ", ".join(sorted(extra)) or "none")
    return len(extra) if results["ours"] else 1


if __name__ == "__main__":
    sys.exit(min(1, main(Path(sys.argv[1]).resolve() if sys.argv[1:] else PEERS)))
