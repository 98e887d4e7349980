"""What is wrong with a NeMo configuration, and whether our rails will run in it.

NeMo drops keys that it does not know without a word; a typo there means that nothing is guarded.
This needs no NeMo; where it is installed, the flows of its library are known too, and `trial` goes
on to run the configuration.
"""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from corroborator.errors import CorroboratorError
from corroborator.integrations.nemo.folder import Key, NemoFolder, library_flows
from corroborator.integrations.nemo.settings import KEY, read_settings
from corroborator.resources import resource
from corroborator.yaml_file import did_you_mean, read_yaml

RAILS = "corroborator/integrations/nemo/rails"
INPUT_FLOW, OUTPUT_FLOW = "corroborator check input", "corroborator check output"
GROUND_FLOW = "corroborator ground"
_OURS = frozenset({INPUT_FLOW, OUTPUT_FLOW, GROUND_FLOW})
_STEERED_PROMPTS = ("general", "generate_bot_message", "generate_intent_steps_message")
_JOINED = frozenset(
    {"import_paths", "models", "prompts", "instructions", "docs", "flows"}
    | {"user_messages", "bot_messages"}
)
"""What NeMo puts together from several files; of anything else only one file's stands."""

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a configuration.

    Attributes:
        level: an ``error`` means that something asked for will not happen; a ``warning``, that
            something may surprise; a ``note`` is good to know.
        text: what, and how to mend it.
        place: file and line, where there is one.
    """

    level: Level
    text: str
    place: str = ""


def remarks(folder: NemoFolder) -> list[Remark]:
    """Return everything that can be said of a configuration without running it."""
    checks: tuple[Callable[[NemoFolder], Iterator[Remark]], ...] = (
        _unknown_keys,
        _lost_keys,
        _import,
        _flows,
        _policy,
        _streaming,
        _prompts,
        _runtime,
        _documents,
        _surroundings,
    )
    return [remark for check in checks for remark in check(folder)]


@cache
def known_keys() -> Mapping[str, Any]:
    """Return the tree of keys that NeMo reads; see ``rails_config/nemo/keys.yml``."""
    tree: Mapping[str, Any] = read_yaml(resource("rails_config", "nemo", "keys.yml")).data["keys"]
    return tree


def _unknown_keys(folder: NemoFolder) -> Iterator[Remark]:
    ours = _policy_files(folder)
    for key in folder.keys:
        siblings = _siblings(key.path)
        if siblings is None or key.path[-1] in siblings or key.file in ours:
            continue
        dotted = ".".join(key.path)
        if key.path[-1] == KEY:
            hint = f"; our settings stand under custom_data.{KEY}"
        else:
            hint = did_you_mean(key.path[-1], siblings)
        yield Remark("error", f"{dotted}: NeMo drops this key without a word{hint}", _at(key))


def _policy_files(folder: NemoFolder) -> set[Path]:
    """Return our own files, which NeMo reads too, and in which it finds nothing for it."""
    name = folder.get("custom_data", KEY, "policy")
    if not isinstance(name, str):
        return set()
    try:
        texts = read_settings(folder.get("custom_data"), folder.root).texts
    except CorroboratorError:
        texts = None  # said elsewhere
    files = {folder.root / name}
    return files | {key.file for key in folder.keys if texts and key.file.is_relative_to(texts)}


def _siblings(path: tuple[str, ...]) -> Mapping[str, Any] | None:
    """Return the keys that may stand beside one; None where anything may, or its parent may not."""
    tree: Any = known_keys()
    for above in path[:-1]:
        tree = tree.get(above) if isinstance(tree, Mapping) else None
    return tree if isinstance(tree, Mapping) else None


def _lost_keys(folder: NemoFolder) -> Iterator[Remark]:
    for key in folder.keys:
        dotted = ".".join(key.path)
        if key.again:
            yield Remark("error", f"{dotted}: stands twice; NeMo forgets the first one", _at(key))
    tops: dict[str, Key] = {}
    for key in folder.keys:
        if len(key.path) != 1 or key.path[0] in _JOINED:
            continue
        earlier = tops.setdefault(key.path[0], key)
        if earlier.file != key.file and key.path[0] in known_keys():
            problem = f"also stands in {earlier.file.name}; NeMo keeps that of one file only"
            yield Remark("error", f"{key.path[0]}: {problem}", _at(key))


def _import(folder: NemoFolder) -> Iterator[Remark]:
    if folder.colang != "1.0":
        return
    place = _at(folder.place("import_paths"))
    if RAILS not in folder.names("import_paths"):
        near = did_you_mean(RAILS, folder.names("import_paths")) and "; one of these is near it"
        yield Remark(
            "error", f"import_paths: {RAILS} is missing, so our rails do not run{near}", place
        )
        return
    if Path(RAILS).exists() and not Path(RAILS).samefile(_own_rails()):
        problem = f"a folder {RAILS} in the working directory is taken in place of ours"
        yield Remark("error", f"import_paths: {problem}", place)
    root = source_root()
    paths = [Path(p) for p in os.environ.get("COLANGPATH", "").split(os.pathsep) if p]
    installed = any(part == "site-packages" for part in root.parts)
    if not installed and root not in [p.resolve() for p in paths]:
        problem = "this is an editable installation, where NeMo cannot find our rails by itself"
        mend = f'export COLANGPATH="$(corroborator {KEY_COMMAND})"'
        yield Remark("error", f"import_paths: {problem}; run: {mend}", place)


KEY_COMMAND = "nemo path"


def source_root() -> Path:
    """Return the folder that holds the package; NeMo looks there if ``COLANGPATH`` names it."""
    return Path(__file__).resolve().parents[3]


def _own_rails() -> Path:
    return source_root() / RAILS


def _flows(folder: NemoFolder) -> Iterator[Remark]:
    if folder.colang != "1.0":
        return
    library = library_flows(folder.colang)
    known = folder.flows | _OURS | (library or frozenset())
    for direction in ("input", "output", "retrieval", "tool_input", "tool_output"):
        place = _at(folder.place("rails", direction, "flows"))
        for flow in folder.names("rails", direction, "flows"):
            name = flow.partition("$")[0].strip()
            if name in known:
                continue
            misspelt = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            hint = did_you_mean(name, known)
            if library is None and not misspelt:
                text = f"whether the flow {name!r} exists is known only where NeMo is installed"
                yield Remark("note", f"rails.{direction}.flows: {text}", place)
            else:
                yield Remark("error", f"rails.{direction}.flows: no flow {name!r}{hint}", place)
    for direction, ours, lost in (
        ("input", INPUT_FLOW, "nothing is looked for and nothing steered"),
        ("output", OUTPUT_FLOW, "no reply is checked before it is sent"),
    ):
        if ours not in folder.names("rails", direction, "flows"):
            place = _at(folder.place("rails", direction, "flows"))
            yield Remark("error", f"rails.{direction}.flows: without {ours!r} {lost}", place)


def _policy(folder: NemoFolder) -> Iterator[Remark]:
    for name in folder.get("custom_data") or {}:
        if name != KEY and (hint := did_you_mean(str(name), [KEY])):
            place = _at(folder.place("custom_data", str(name)))
            yield Remark("error", f"custom_data.{name} is not ours{hint}", place)
    try:
        read_settings(folder.get("custom_data"), folder.root)
    except CorroboratorError as error:
        yield Remark("error", str(error), _at(folder.place("custom_data", KEY)))


def _streaming(folder: NemoFolder) -> Iterator[Remark]:
    streaming = folder.get("rails", "output", "streaming") or {}
    place = _at(folder.place("rails", "output", "streaming"))
    if not folder.names("rails", "output", "flows") or folder.colang != "1.0":
        return
    if not streaming.get("enabled"):
        text = "stream_async and streamed HTTP replies fail: add {enabled: true}"
        yield Remark("warning", f"rails.output.streaming: {text}", place)
    elif streaming.get("stream_first", True):
        text = (
            "NeMo shows each piece before its rails have read it: set stream_first: false."
            " What Corroborator holds is held all the same"
        )
        yield Remark("warning", f"rails.output.streaming.stream_first: {text}", place)


def _prompts(folder: NemoFolder) -> Iterator[Remark]:
    for prompt in folder.get("prompts") or ():
        task = prompt.get("task") if isinstance(prompt, Mapping) else None
        if task in _STEERED_PROMPTS and "general_instructions" not in str(prompt):
            text = f"the prompt of {task} has no {{{{ general_instructions }}}}, by which we steer"
            yield Remark("error", f"prompts: {text}", _at(folder.place("prompts")))


def _runtime(folder: NemoFolder) -> Iterator[Remark]:
    if folder.colang != "1.0":
        text = "Colang 2: guidance goes into the user's message; see docs/nemo.md"
        yield Remark("note", f"colang_version: {text}", _at(folder.place("colang_version")))
        for name in ("core", "guardrails", "llm"):
            if Path(name).exists():
                text = f"NeMo takes {Path(name).resolve()} for its own library of that name"
                yield Remark("error", f"import {name}: {text}; start it somewhere else")
    if folder.get("passthrough") and "instructions" in folder.data:
        text = "passthrough sends the caller's messages alone; these are not used"
        yield Remark("note", f"instructions: {text}", _at(folder.place("instructions")))


def _documents(folder: NemoFolder) -> Iterator[Remark]:
    if GROUND_FLOW in folder.names("rails", "retrieval", "flows") and not folder.documents:
        text = f"{GROUND_FLOW!r} has nothing to read: there are no documents in kb/"
        yield Remark("warning", f"rails.retrieval.flows: {text}", _at(folder.place("rails")))


def _surroundings(_: NemoFolder) -> Iterator[Remark]:
    if not any(os.environ.get(name) for name in ("NEMO_GUARDRAILS_NO_USAGE_STATS", "DO_NOT_TRACK")):
        text = "NeMo reports its use to NVIDIA; NEMO_GUARDRAILS_NO_USAGE_STATS=1 switches that off"
        yield Remark("note", text)
    if os.environ.get("NEMO_GUARDRAILS_IORAILS_ENGINE"):
        text = "the engine IORails knows only NVIDIA's own rails; NeMo falls back to LLMRails"
        yield Remark("note", f"NEMO_GUARDRAILS_IORAILS_ENGINE: {text}")


def _at(key: Key | None) -> str:
    return "" if key is None else f"{key.file}:{key.line}"
