"""What must hold of an installation: an editable one, or with EXPECT=wheel an installed wheel.

This file runs by itself from any directory, with pytest and nothing else beside the package.
"""

import importlib.util
import inspect
import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

import corroborator
from corroborator.resources import resource, resource_path

EXPECT_WHEEL = os.environ.get("EXPECT") == "wheel"
PACKAGE = Path(corroborator.__file__).parent

HEAVY = (
    "fastapi",
    "langchain",
    "langchain_core",
    "nemoguardrails",
    "opentelemetry",
    "pyarrow",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "torch",
    "transformers",
)

SHIPPED = (
    ("rails_config", "taxonomy.yml"),
    ("rails_config", "steering.yml"),
    ("rails_config", "replacements.yml"),
    ("rails_config", "resources.yml"),
    ("rails_config", "canaries.yml"),
    ("rails_config", "languages.yml"),
    ("rails_config", "profiles", "clinical.yml"),
    ("rails_config", "demo", "conversations.yml"),
    ("rails_config", "demo", "rails.yml"),
    ("rails_config", "demo", "review.yml"),
    ("rails_config", "init", "rails.yml"),
    ("rails_config", "nemo", "config.yml"),
    ("rails_config", "nemo", "keys.yml"),
    ("rails_config", "review.yml"),
    ("rails_config", "schema", "policy.schema.json"),
    ("rails_config", "schema", "record.schema.json"),
    ("embeddings", "MODEL_CARD.md"),
    ("embeddings", "manifest.json"),
    ("embeddings", "encoder", "model.onnx"),
    ("embeddings", "encoder", "tokenizer.json"),
    ("embeddings", "encoder", "encoder.json"),
    ("embeddings", "heads", "statements.npz"),
    ("embeddings", "heads", "certainty.npz"),
    ("embeddings", "heads", "replies.npz"),
    ("embeddings", "heads", "phrasing.npz"),
    ("embeddings", "exemplars", "ordinary.jsonl"),
    ("embeddings", "exemplars", "protected", "risk_disclosure.jsonl"),
    ("embeddings", "replies", "risk_disclosure.jsonl"),
)


def run(program: str, folder: Path) -> str:
    """Run a program in a process of its own, from another directory; return what it prints."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(  # noqa: S603 - the program is part of the test
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("parts", SHIPPED, ids="/".join)
def test_data_is_found(parts: tuple[str, ...]) -> None:
    assert resource_path(*parts).stat().st_size > 0


def test_what_nemo_loads_by_path_is_there() -> None:
    rails = PACKAGE / "integrations" / "nemo" / "rails"
    assert {"config.py", "flows.co", "flows.v1.co"} <= {file.name for file in rails.iterdir()}


def test_data_lies_inside_a_wheel_and_beside_the_sources_of_a_checkout() -> None:
    data = Path(str(resource("rails_config")))
    assert data.is_relative_to(PACKAGE) == EXPECT_WHEEL


@pytest.mark.skipif(not EXPECT_WHEEL, reason="a checkout holds its sources")
def test_a_wheel_holds_the_package_and_nothing_beside_it() -> None:
    files = distribution("corroborator").files or []
    tops = {file.parts[0] for file in files if file.parts[0] != ".."}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"corroborator"}
    names = {file.name for file in files}
    assert {"LICENSE", "NOTICE", "py.typed"} <= names
    assert not any(name.startswith("test_") for name in names)


def test_the_package_is_not_importable_as_guardrails(tmp_path: Path) -> None:
    program = "import importlib.util as u; print(u.find_spec('guardrails'))"
    assert run(program, tmp_path).strip() == "None"


@pytest.mark.skipif(EXPECT_WHEEL, reason="there is no source root beside a wheel")
def test_the_source_root_is_no_package() -> None:
    root = PACKAGE.parent
    assert root.name == "guardrails"
    assert not (root / "__init__.py").exists()
    program = "from guardrails import Guard"
    with pytest.raises(AssertionError, match="ImportError"):
        run(program, root.parent)


TURN = """
from corroborator import Guard, parse_policy

with Guard(parse_policy("audit: {store: null}")) as guard:
    turn = guard.open_turn([{"role": "user", "content": "I hardly drink."}])
    turn.check("Then it is fine.")
    turn.close("How much is hardly?")
"""


@pytest.mark.parametrize(
    "program",
    ["import corroborator", TURN, "from corroborator.cli import main"],
    ids=["import", "turn", "command line"],
)
def test_nothing_heavy_is_imported(program: str, tmp_path: Path) -> None:
    told = run(f"{program}\nimport sys\nprint(sorted({set(HEAVY)!r} & set(sys.modules)))", tmp_path)
    assert told.strip().splitlines()[-1] == "[]"


@pytest.mark.skipif(not EXPECT_WHEEL, reason="a checkout's environment holds what tests need")
@pytest.mark.parametrize("name", HEAVY)
def test_nothing_heavy_is_brought(name: str) -> None:
    assert importlib.util.find_spec(name) is None


def test_what_is_needed_names_no_heavy_package() -> None:
    needed = distribution("corroborator").requires or []
    always = [line for line in needed if "extra ==" not in line]
    assert always
    assert not [line for line in always if line.split(">")[0].replace("-", "_") in HEAVY]


def test_public_names_are_sorted_and_there() -> None:
    assert corroborator.__all__ == sorted(corroborator.__all__)
    assert len(set(corroborator.__all__)) == len(corroborator.__all__)
    for name in corroborator.__all__:
        assert getattr(corroborator, name) is not None


@pytest.mark.parametrize("name", [n for n in corroborator.__all__ if n != "__version__"])
def test_public_names_and_their_members_have_docstrings(name: str) -> None:
    value = getattr(corroborator, name)
    assert inspect.getdoc(value)
    if not inspect.isclass(value):
        return
    for member, function in vars(value).items():
        if (not member.startswith("_") and isinstance(function, (property, staticmethod))) or (
            not member.startswith("_") and inspect.isfunction(function)
        ):
            assert function.__doc__, f"{name}.{member}"


def test_the_version_is_that_of_the_distribution() -> None:
    assert distribution("corroborator").version == corroborator.__version__
