"""The house of the design: imports run downward, and the core knows no host and no framework."""

import ast
from pathlib import Path

import pytest

import corroborator

ROOT = Path(corroborator.__file__).parent

LAYERS = [
    {"errors", "version", "resources", "yaml_file", "taxonomy", "messages", "statements"}
    | {"observing"},
    {
        "archives",
        "support_resources",
        "texts",
        "policy",
        "encoders",
        "heads",
        "exemplars",
        "evidence",
    },
    {"findings", "ledger", "detectors", "phrasing", "reply_check", "reply_bank", "model"},
    {"conversation", "decision", "steering", "drafts"},
    {"audit", "streaming"},
    {"engine", "record"},
    {"turn", "turn_log"},
    {"guard"},
]
"""From the bottom up: a module may know its own layer and those below it."""

HOSTS = {
    *("torch", "sentence_transformers", "langchain", "langchain_core", "nemoguardrails"),
    *("openai", "fastapi", "starlette", "django", "flask", "typer", "rich", "sklearn", "scipy"),
    *("opentelemetry", "pyarrow"),
}


def imported(path: Path) -> set[str]:
    """Return what a file imports when it is itself imported."""
    names: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def files(module: str) -> list[Path]:
    folder = ROOT / module
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{module}.py"]


@pytest.mark.parametrize("module", [module for layer in LAYERS for module in sorted(layer)])
def test_imports_run_downward_and_to_no_host(module: str) -> None:
    level = next(n for n, layer in enumerate(LAYERS) if module in layer)
    below = {name for layer in LAYERS[: level + 1] for name in layer}
    for path in files(module):
        names = imported(path)
        own = {name.split(".")[1] for name in names if name.startswith("corroborator.")}
        assert own <= below | {module}, path
        assert not {name.split(".")[0] for name in names} & HOSTS, path


def test_only_commands_know_the_review_desk() -> None:
    commands = {ROOT / "cli" / f"{name}.py" for name in ("audit", "review", "report")}
    for path in set(ROOT.rglob("*.py")) - commands - set((ROOT / "review").rglob("*.py")):
        found = [
            n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.ImportFrom)
        ]
        assert not [n for n in found if (n.module or "").startswith("corroborator.review")], path
