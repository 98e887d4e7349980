"""LangChain's own tests of agents, from its source distribution: bare, guarded idle, guarded forced on.

    python tests/integrations/langchain/peers/run.py FOLDER

It downloads the source of the LangChain that is installed, and compares which tests fail. It fails
if a guard that finds nothing changes any, or one that holds each reply changes one that is not
explained in ``EXPLAINED``.
"""

import os
import re
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = Path("tests/unit_tests/agents")
FOUND = [HERE, HERE.parent, HERE.parents[2], HERE.parents[3] / "guardrails"]
"""Where the plugin and what it imports lie."""

_MIDDLEWARE = "tests.unit_tests.agents.middleware.implementations"
_CLOCK = (
    "it gives two waits of 0.1 s no more than 0.5 s by the clock on the wall; three guarded calls take"
    " some 0.1 s of that on a machine with other work, and tip it where the machine is busier still"
)
EXPLAINED: dict[str, str] = {
    f"{_MIDDLEWARE}.test_model_retry.test_model_retry_constant_backoff": _CLOCK,
    f"{_MIDDLEWARE}.test_tool_retry.test_tool_retry_constant_backoff": _CLOCK,
}
"""Test -> why it may fail where each reply is held and judged."""


def fetched(folder: Path) -> Path:
    """Return the unpacked source of the LangChain that is installed."""
    name = f"langchain-{version('langchain')}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).is_dir():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        wanted = ["--no-binary", "langchain", name.replace("-", "==")]
        subprocess.run([*pip, *wanted, "--dest", str(folder)], check=True)  # noqa: S603
        with tarfile.open(folder / f"{name}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    return folder / name


def failures(source: Path, mode: str | None) -> tuple[set[str], str]:
    """Run the tests and return those that fail, with pytest's last line."""
    report = source.parent / f"{mode or 'bare'}.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TESTS)]
    command += ["--benchmark-skip", "-o", "addopts=--strict-markers", f"--junit-xml={report}"]
    environment = {**os.environ, "LANGSMITH_TRACING": "false"}
    if mode is not None:
        environment["GUARD"] = mode
        environment["PYTHONPATH"] = os.pathsep.join(map(str, FOUND))
        command += ["-p", "inject_guard"]
    done = subprocess.run(  # noqa: S603 - our own command
        command, cwd=source, env=environment, capture_output=True, text=True, check=False
    )
    if not report.exists():
        sys.exit(done.stdout + done.stderr)
    failed = {
        f"{case.get('classname')}.{case.get('name')}"
        for case in ET.parse(report).iter("testcase")  # noqa: S314 - pytest wrote it just now
        if case.find("failure") is not None or case.find("error") is not None
    }
    report.unlink()
    told = re.findall(r"guarded agents: .*|\d+ failed.*|\d+ passed.*", done.stdout)
    return failed, "; ".join(told)


def main() -> None:
    """Compare."""
    source = fetched(Path(sys.argv[1]).resolve())
    print(source.name)
    bare, told = failures(source, None)
    print(f"bare:   {told}", flush=True)
    unexplained: set[str] = set()
    for mode in ("idle", "forced"):
        failed, told = failures(source, mode)
        print(f"{mode + ':':7} {told}")
        for test in sorted(failed - bare):
            why = EXPLAINED.get(test) if mode == "forced" else None
            print(f"  {test}: {why or 'NOT EXPLAINED'}", flush=True)
            unexplained |= set() if why else {test}
    if unexplained:
        sys.exit(f"{len(unexplained)} tests fail that do not fail without the guard")


if __name__ == "__main__":
    main()
