"""YAML files in which every value knows its line, so that an error can name the place to mend.

The dialect is narrower than YAML 1.1, because each thing left out has cost somebody a day:

- ``yes``, ``no``, ``on`` and ``off`` stay words (Norway's country code is ``NO``; a mode may be
  ``off``); only ``true`` and ``false`` are truth values;
- keys are words, and a key may stand only once in its mapping;
- no anchors, aliases and tags, and one document in a file.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from corroborator.errors import ConfigError

KeyPath = tuple[str | int, ...]
LineOf = Callable[[KeyPath], int]

_DEEPEST = 40  # our files need 6; libyaml crashes the process on thousands
_BOOL = "tag:yaml.org,2002:bool"
_STRING = "tag:yaml.org,2002:str"
UNKNOWN_KEY = "this key is not known"

_PLAIN = {
    "extra_forbidden": UNKNOWN_KEY,
    "missing": "this key is missing",
    "model_type": "this must be a mapping of keys to values",
    "dict_type": "this must be a mapping of keys to values",
}
_SafeLoader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class YamlFile(NamedTuple):
    """The values of a file, and the line of each.

    Attributes:
        data: mappings, lists, strings, numbers, truth values, dates or None.
        line_of: the line (from 1) of the key or list entry at a path such as
            ``("domains", "age_claim", "mode")``; of its nearest parent when the path is not there.
    """

    data: Any
    line_of: LineOf


class Problem(NamedTuple):
    """What is wrong with a file's values: ``key`` is its dotted path, ``line`` counts from 1."""

    key: str
    line: int
    text: str


def read_yaml(source: Path | Traversable | str | bytes, name: str | Path | None = None) -> YamlFile:
    """Read one YAML document.

    Args:
        source: a file, or the YAML text itself when it is a string or bytes.
        name: what errors call the file; by default its path, or ``<text>``.

    Raises:
        ConfigError: the file cannot be read or is not YAML of our dialect; names file and line.
    """
    if isinstance(source, str | bytes):
        return _parse(_decoded(source, name or "<text>"), name or "<text>")
    name = name or str(source)
    try:
        raw = source.read_bytes()
    except FileNotFoundError:
        raise ConfigError("there is no such file", name) from None
    except OSError as error:
        raise ConfigError(f"the file cannot be read: {error.strerror}", name) from None
    return _parse(_decoded(raw, name), name)


def first_problem(error: ValidationError, line_of: LineOf) -> Problem:
    """Return what pydantic found wrong, and where; never the value itself.

    An unknown key goes first: a misspelt key also shows as a missing one.
    """
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    found = min(errors, key=lambda one: one["type"] != "extra_forbidden")
    text = _PLAIN.get(found["type"], found["msg"].removeprefix("Value error, "))
    path = tuple(part for part in found["loc"] if part != "[key]")
    return Problem(".".join(map(str, path)) or "the file", line_of(path), text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean x?"`` for the nearest known name, or nothing when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


class _Loader(_SafeLoader):  # type: ignore[misc]
    """PyYAML's safe loader with two truth values, and a line for values with impossible digits."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML keeps it on the class)
        first: [rule for rule in rules if rule[0] != _BOOL]
        for first, rules in _SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep)
        except ValueError:  # 2026-13-45 looks like a date to YAML
            problem = "this looks like a date or number but is none; put it in quotes"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None


_Loader.add_implicit_resolver(_BOOL, re.compile("^(?:[tT]rue|TRUE|[fF]alse|FALSE)$"), [*"tTfF"])


def _decoded(source: str | bytes, name: str | Path) -> str:
    if isinstance(source, str):
        return source
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise ConfigError("this is not UTF-8 text; save the file as UTF-8", name, line) from None


def _parse(text: str, name: str | Path) -> YamlFile:
    try:
        _refuse_what_readers_stumble_over(text)
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return YamlFile(None, lambda _path: 1)
        lines = dict(_lines((), root, root.start_mark.line + 1))
        return YamlFile(loader.construct_document(root), _line_finder(lines))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise ConfigError(error.problem or "this is not YAML", name, line) from None
    except (yaml.YAMLError, UnicodeEncodeError):  # how PyYAML greets NUL, ESC and the like
        raise ConfigError("the file holds control characters; remove them", name) from None


def _refuse_what_readers_stumble_over(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise _refusal("this is nested too deeply", event.start_mark)
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise _refusal("anchors and aliases are not used here; write it out", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _refusal("tags such as !!str are not used here; remove it", event.start_mark)


def _lines(path: KeyPath, node: yaml.Node, line: int) -> Iterator[tuple[KeyPath, int]]:
    yield path, line
    if isinstance(node, yaml.SequenceNode):
        for index, entry in enumerate(node.value):
            yield from _lines((*path, index), entry, entry.start_mark.line + 1)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.tag != _STRING:
                raise _refusal("a key must be a word; put it in quotes", key.start_mark)
            if key.value in seen:
                raise _refusal(f"{key.value} stands here a second time", key.start_mark)
            seen.add(key.value)
            yield from _lines((*path, key.value), value, key.start_mark.line + 1)


def _refusal(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _line_finder(lines: dict[KeyPath, int]) -> LineOf:
    def line_of(path: KeyPath) -> int:
        while path not in lines:
            path = path[:-1]
        return lines[path]

    return line_of
