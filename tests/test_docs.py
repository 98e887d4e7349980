"""The documentation says what is true: its code runs, its commands exist, its tables are complete."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

import corroborator
from corroborator.cli import app
from corroborator.exemplars import read_exemplars
from corroborator.policy import Policy, parse_policy
from corroborator.taxonomy import load_taxonomy
from make_policy_schema import FILE as SCHEMA
from make_policy_schema import policy_schema
from write_docs import pages

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "embeddings" / "MODEL_CARD.md"]
)

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)

IN_HOST = ("langchain.md",)
"""Pages whose Python runs in the tests of its host."""

NOT_RUN = (
    "corroborator audit rekey",
    "corroborator chat",
    "corroborator fit",
    "corroborator report",
    "corroborator review",
    "make ",
)
"""Need something under seal; wait for a person; take minutes; need an extra; make environments. That they exist is checked."""


def blocks(page: Path, language: str) -> list[str]:
    return [body for found, body in _BLOCK.findall(page.read_text("utf-8")) if found == language]


def with_blocks(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(page: Path) -> list[str]:
    lines = [line for body in blocks(page, "console") for line in body.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


ALL_COMMANDS = [(page, command) for page in PAGES for command in commands(page)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that holds what a reader of the pages has: the examples, and the policies."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    home = tmp_path_factory.mktemp("home")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    folders = {name: str(home) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    return {**os.environ, **folders, "PATH": path, "COLUMNS": "100"}


def run(command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(  # noqa: S603 - the commands of our own pages
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_there_are_blocks_of_each_kind() -> None:
    assert len(with_blocks("python")) >= 2
    assert len(with_blocks("yaml")) >= 2
    assert len(ALL_COMMANDS) >= 10


@pytest.mark.parametrize(
    "page", [p for p in with_blocks("python") if p.name not in IN_HOST], ids=named
)
def test_python_blocks_run(page: Path, folder: Path, environment: Mapping[str, str]) -> None:
    program = "\n".join(blocks(page, "python"))
    run([sys.executable, "-W", "error", "-c", program], folder, environment)


@pytest.mark.parametrize("page", with_blocks("yaml"), ids=named)
def test_yaml_blocks_are_policies(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for body in blocks(page, "yaml"):
        assert parse_policy(body).domains


def test_json_blocks_are_exemplars(tmp_path: Path) -> None:
    taxonomy = load_taxonomy()
    found = [body for page in with_blocks("json") for body in blocks(page, "json")]
    assert found
    for body in found:
        family = json.loads(body.splitlines()[0])["id"].partition("-")[0]
        (tmp_path / f"{family}.jsonl").write_text(body, "utf-8")
        assert len(read_exemplars(tmp_path, taxonomy)) == len(body.splitlines())


@pytest.mark.parametrize(("page", "command"), ALL_COMMANDS, ids=lambda v: str(v)[-60:])
def test_commands_and_their_options_exist(page: Path, command: str) -> None:
    stage = command.rpartition("|")[2]
    words = shlex.split(stage)
    if words[0] == "make":
        targets = _TARGET.findall((ROOT / "Makefile").read_text("utf-8"))
        assert set(words[1:]) <= set(targets), page
        return
    assert words[0] == "corroborator", f"{page}: say how to test {command}"
    found: Any = typer.main.get_command(app)
    rest = words[1:]
    while rest and rest[0] in (inner := getattr(found, "commands", {})):
        found = inner[rest.pop(0)]
    known = {option for parameter in found.params for option in parameter.opts}
    used = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert used <= known, page


def cheap(page: Path) -> list[str]:
    return [command for command in commands(page) if not command.startswith(NOT_RUN)]


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if cheap(page)], ids=named)
def test_commands_run(page: Path, folder: Path, environment: Mapping[str, str]) -> None:
    for command in cheap(page):
        run(["bash", "-c", command], folder, environment)


def test_generated_pages_are_the_generated_ones() -> None:
    for page, content in pages().items():
        assert page.read_text("utf-8") == content, f"{named(page)}: run `make docs`"


def test_the_policy_schema_is_the_generated_one() -> None:
    assert json.loads(SCHEMA.read_text("utf-8")) == policy_schema(), "run `make docs`"


def policy_keys(model: type[BaseModel] = Policy, above: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = [t for t in _types(field.annotation) if issubclass(t, BaseModel)]
        by_id = name in ("domains", "protected")
        if not inner or by_id:
            yield above + name
        for part in inner:
            yield from policy_keys(part, f"{above}{name}.{'ID.' if by_id else ''}")


def _types(annotation: object) -> list[type]:
    if isinstance(annotation, type):
        return [annotation]
    return [t for inner in getattr(annotation, "__args__", ()) for t in _types(inner)]


@pytest.mark.parametrize("key", list(policy_keys()))
def test_every_policy_key_is_documented(key: str) -> None:
    assert f"| `{key}` |" in (ROOT / "docs" / "policy.md").read_text("utf-8")


def test_the_tests_that_stand_for_the_guarantees_are_there() -> None:
    page = (ROOT / "docs" / "what_the_log_proves.md").read_text("utf-8")
    named_tests = re.findall(r"`(tests/\S+)::(test_\w+)`", page)
    assert {number for number in "1234567" if f"| {number}. " in page} == set("1234567")
    assert len(named_tests) >= 30
    for file, name in named_tests:
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), f"{file} has no {name}"


def test_the_table_of_profiles_is_right() -> None:
    text = (ROOT / "docs" / "policy.md").read_text("utf-8")
    profiles = [parse_policy(f"profile: {name}") for name in ("general", "clinical", "observe")]
    holds = " | ".join(f"{policy.risk_hold.turns} turns" for policy in profiles)
    assert f"| risk hold | {holds} |" in text
    modes = [{domain.mode for domain in policy.domains.values()} for policy in profiles]
    assert modes == [{"steer"}, {"steer"}, {"observe"}]
    assert [policy.audit.content for policy in profiles] == ["none", "sealed", "none"]
    assert profiles[1].audit.retention == timedelta(days=30)
    assert [policy.reply.attempts for policy in profiles] == [2, 2, 0]


def test_the_readme_says_what_is_unreviewed_and_how_streams_are_held() -> None:
    beginning = (ROOT / "README.md").read_text("utf-8").partition("\n## ")[0]
    assert f"clinical_review: {load_taxonomy().clinical_review}" in beginning
    assert "hold_on_finding" in beginning


def test_the_readme_example_is_the_one_in_examples() -> None:
    kept = (ROOT / "examples" / "any_client.py").read_text("utf-8")
    loop = kept[kept.index("turn = guard.open_turn") : kept.index("closed = turn.close")]
    assert loop in (ROOT / "README.md").read_text("utf-8")


def test_every_public_name_is_documented() -> None:
    text = (ROOT / "docs" / "library.md").read_text("utf-8")
    for name in corroborator.__all__:
        assert f"| `{name}` |" in text


def test_every_command_is_in_the_readme() -> None:
    command: Any = typer.main.get_command(app)
    text = (ROOT / "README.md").read_text("utf-8")
    for name in command.commands:
        assert f"| `corroborator {name}` |" in text


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_locks_pin_with_hashes_and_name_no_index() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        text = lock.read_text("utf-8")
        pinned = re.findall(r"^[a-z0-9].*==", text, re.MULTILINE)
        assert pinned
        assert text.count("--hash=sha256:") >= len(pinned)
        assert "://" not in text
        assert "--index" not in text
        hosts = {"langchain", "nemo"} - {lock.stem}  # each in an environment of its own
        heavy = "|".join(("torch", "nvidia-", "sentence-transformers", *hosts))
        assert not re.search(rf"^({heavy})", text, re.MULTILINE), lock


def test_the_lock_holds_every_dependency_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [re.split(r"[<>=\[ ]", line)[0] for line in project["dependencies"]]
    lock = (ROOT / "requirements" / "run.txt").read_text("utf-8")
    assert [name for name in needed if f"\n{name}==" not in lock] == []


def test_every_extra_is_documented() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    page = (ROOT / "docs" / "compatibility.md").read_text("utf-8")
    assert [name for name in project["optional-dependencies"] if f"| `{name}` |" not in page] == []


def test_the_account_holds_every_entry_with_two_examples_and_two_near_misses() -> None:
    page = (ROOT / "docs" / "account.md").read_text("utf-8")
    taxonomy = load_taxonomy()
    entries = {**taxonomy.domains, **taxonomy.protected}
    parts = re.split(r'<a id="(\w+)"></a>', page)[1:]
    assert parts[::2] == list(entries)
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        assert f"](#{name})" in page
        assert f"### {entries[name].title}\n" in body
        assert all(item.claim in body for item in entries[name].evidence)
        assert len(re.findall(r"^\| (?:Counts|Is one) \| .+ \|$", body, re.MULTILINE)) == 2
        assert len(re.findall(r"^\| Near miss \| .+ \|$", body, re.MULTILINE)) == 2
