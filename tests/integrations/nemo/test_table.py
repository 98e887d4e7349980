"""The table of docs/nemo.md, found out anew; and the page's commands, run as its reader would."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from nemoguardrails import LLMRails, RailsConfig

from corroborator import Guard
from corroborator.integrations.nemo import host
from integrations.nemo.conftest import (
    ADOPTS,
    CLAIM,
    DIALOG_FLOWS,
    INTENT,
    KIND,
    MODES,
    RAILS,
    SAMPLE,
    RecordingModel,
    actions,
    records,
    run,
    streamed,
    user,
)
from integrations.nemo.test_colang2 import FLOWS
from tiny_world import said

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "nemo.md").read_text("utf-8")
INSTRUCTED = "instructions: [{type: general, content: Be brief.}]\n"
SYSTEM = "Speak as a pharmacist."
FACT = "The registration of this user as a nurse was verified today."
DOCUMENT = f"""```yaml
corroborator: {{domain: credential_claim, source: the staff register}}
```
# Nurses

{FACT}
"""

Make = Callable[[str, RecordingModel], LLMRails]


@pytest.fixture
def make(own_guard: Guard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    """Return an app of a mode with a document, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(host, "shared_guard", lambda _: own_guard)

    apps: dict[str, LLMRails] = {}

    def made(mode: str, model: RecordingModel) -> LLMRails:
        if mode in apps:
            apps[mode].update_llm(model)
            apps[mode].events_history_cache.clear()
        else:
            apps[mode] = new(mode, model)
        return apps[mode]

    def new(mode: str, model: RecordingModel) -> LLMRails:
        if mode == "Colang 2":
            text = 'colang_version: "2.x"\nmodels: []\n'
            return LLMRails(
                RailsConfig.from_content(yaml_content=text, colang_content=FLOWS), model
            )
        folder = tmp_path / "app"
        (folder / "kb").mkdir(parents=True, exist_ok=True)
        (folder / "kb" / "staff.md").write_text(DOCUMENT, "utf-8")
        if "dialog" in mode:
            (folder / "flows.co").write_text(DIALOG_FLOWS, "utf-8")
        data = yaml.safe_load(MODES[mode])
        data["models"] = [{"type": "embeddings", "engine": "corroborator", "model": "builtin"}]
        data["rails"]["retrieval"] = {"flows": ["corroborator ground"]}
        data["import_paths"] = [RAILS]
        (folder / "config.yml").write_text(INSTRUCTED + yaml.safe_dump(data), "utf-8")
        return LLMRails(RailsConfig.from_path(str(folder)), model)

    return made


def script(mode: str, *replies: str) -> RecordingModel:
    return RecordingModel(*([INTENT] if "dialog" in mode else []), *replies)


def where(prompt: str) -> str:
    """Return where guidance stands in what the model was asked last."""
    before = prompt.partition(SAMPLE)[0]
    if "system: " in before.rpartition("\n")[0] + before[:8]:
        return "system message"
    return "instructions" if "Be brief." in before else "user's message"


def found(mode: str, make: Make, guard: Guard) -> Iterator[str]:
    model = script(mode, KIND)
    make(mode, model).generate(messages=user(CLAIM))
    yield where(model.prompts[-1])
    revised = make(mode, script(mode, ADOPTS, KIND)).generate(messages=user(CLAIM))
    replaced = make(mode, script(mode, *[ADOPTS] * 3)).generate(messages=user(CLAIM))
    assert replaced["content"] == guard.engine.texts.replacements.text("surveillance_claim")
    yield answer(revised["content"] == KIND)
    yield answer(streams(make(mode, script(mode, ADOPTS, KIND))))
    model = script(mode, KIND)
    make(mode, model).generate(messages=[{"role": "system", "content": SYSTEM}, *user(CLAIM)])
    yield answer(SYSTEM in model.prompts[-1])
    model = script(mode)
    yield answer(checks(make(mode, model)) and not model.prompts)
    yield answer(knows(script(mode, KIND), make, mode, []))
    evidence = [{"domain": "credential_claim", "source": "the sign-in", "text": FACT}]
    context = {"role": "context", "content": {"corroborator": {"evidence": evidence}}}
    yield answer(knows(script(mode, KIND), make, mode, [context]))
    before = len(records(guard))
    make(mode, script(mode, ADOPTS, KIND)).generate(messages=user(CLAIM))
    assert actions(guard)[before:] == ["revised"]
    yield str(len(records(guard)) - before)


def answer(holds: bool) -> str:
    return "yes" if holds else "no"


def streams(app: LLMRails) -> bool:
    try:
        return "".join(run(streamed(app, user(CLAIM)))) == KIND
    except Exception:  # noqa: BLE001 - NeMo has several ways to say no
        return False


def checks(app: LLMRails) -> bool:
    try:
        draft = [*user(CLAIM), {"role": "assistant", "content": ADOPTS}]
        return str(app.check(draft).status.value) == "blocked"
    except ValueError:
        return False


def knows(model: RecordingModel, make: Make, mode: str, more: list[dict[str, Any]]) -> bool:
    """Return whether the model was told what is known of a claim, as something that is known."""
    make(mode, model).generate(messages=[*more, *user(said("credential_claim"))])
    return "the staff register" in model.prompts[-1] or "the sign-in" in model.prompts[-1]


@pytest.mark.parametrize("mode", [*MODES, "Colang 2"])
def test_the_row_of(mode: str, make: Make, own_guard: Guard) -> None:
    row = f"| {' | '.join([mode, *found(mode, make, own_guard)])} |"
    table = PAGE.partition("<!-- table -->")[2].partition("<!-- end -->")[0]
    assert row in table.splitlines()


def test_the_table_has_no_other_rows() -> None:
    table = PAGE.partition("<!-- table -->")[2].partition("<!-- end -->")[0]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table.strip().splitlines()[2:]]
    assert sorted(rows) == sorted([*MODES, "Colang 2"])


def test_the_page_s_commands_do_what_it_says(tmp_path: Path) -> None:
    commands = "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    lines = [line for line in commands.splitlines() if not line.startswith("pip ")]
    asked = re.search(r"it: \*(.+?)\*", PAGE.replace("\n", " "))
    assert asked
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "200",
    }
    done = subprocess.run(  # noqa: S603 - the commands of our own page
        ["bash", "-c", "\n".join(lines)],  # noqa: S607 - as above
        cwd=tmp_path,
        env=environment,
        input=asked[1],
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout
    assert "written my-app/config.yml" in told, done.stderr
    assert "tried: a claim was steered on" in told
    assert "a draft was sent back to the model" in told


def test_the_example_runs(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own example
        [sys.executable, str(ROOT / "examples" / "nemo" / "app.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "{'evidence': 1}" in done.stdout
    assert "'verdict': 'note'" in done.stdout
