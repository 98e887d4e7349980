"""A NeMo configuration folder as NeMo reads it, with the line of every key.

It does not need NeMo.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from corroborator.errors import ConfigError

KeyPath = tuple[str, ...]

_FLOW = re.compile(r"^\s*(?:define\s+)?(?:parallel\s+|extension\s+)*(?:sub)?flow\s+(.+?)\s*$")
_LIBRARY_VERSION = {"1.0": ".v1.co", "2.x": ".co"}


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a YAML file.

    Attributes:
        path: of keys from the top; entries of lists do not show.
        file: where it stands.
        line: in the file, counted from 1.
        again: whether its mapping holds it already, so that the earlier one is lost.
    """

    path: KeyPath
    file: Path
    line: int
    again: bool = False


@dataclass(frozen=True)
class NemoFolder:
    """What stands in a folder.

    Attributes:
        path: of the folder, or of a single YAML file.
        data: what NeMo makes of the YAML files together.
        keys: all keys of all files.
        flows: names of the flows that its own Colang files define.
        documents: the files of its knowledge base.
    """

    path: Path
    data: Mapping[str, Any] = field(repr=False)
    keys: tuple[Key, ...]
    flows: frozenset[str]
    documents: tuple[Path, ...]

    @property
    def root(self) -> Path:
        """The folder to which its paths are relative."""
        return self.path if self.path.is_dir() else self.path.parent

    @cached_property
    def colang(self) -> str:
        """The version of Colang: ``1.0`` or ``2.x``."""
        return str(self.data.get("colang_version", "1.0"))

    def get(self, *path: str) -> Any:
        """Return the value at a path of keys; None where there is none."""
        value: Any = self.data
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def names(self, *path: str) -> list[str]:
        """Return the list of names at a path; empty where there is none."""
        value = self.get(*path)
        return [str(item) for item in value] if isinstance(value, list) else []

    def place(self, *path: str) -> Key | None:
        """Return the last key at a path, or at the longest part of it that there is."""
        while path:
            found = [key for key in self.keys if key.path == path]
            if found:
                return found[-1]
            path = path[:-1]
        return None


def read_folder(path: Path) -> NemoFolder:
    """Read a folder, or a single YAML file.

    Raises:
        ConfigError: there is no such folder, no YAML in it, or a file is no YAML; names file and
            line.
    """
    if not path.exists():
        raise ConfigError("there is no such folder", path)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    own = [p for p in files if not _in_knowledge_base(p, path)]
    yamls = [p for p in own if p.suffix in (".yml", ".yaml")]
    if not yamls:
        raise ConfigError("this folder holds no config.yml", path)
    data: dict[str, Any] = {}
    keys: list[Key] = []
    for file in yamls:
        content, found = _read_yaml(file)
        data |= {**content, **_joined(data, content)}
        keys += found
    flows = {name for p in own if p.suffix == ".co" for name in defined_flows(p)}
    documents = tuple(p for p in files if _in_knowledge_base(p, path) and p.suffix == ".md")
    return NemoFolder(path, data, tuple(keys), frozenset(flows), documents)


def defined_flows(file: Path) -> Iterator[str]:
    """Yield the names of the flows that a Colang file defines."""
    for line in file.read_text("utf-8", "replace").splitlines():
        if match := _FLOW.match(line):
            yield re.sub(r"\s+\$.*", "", match[1])


def library_flows(colang: str) -> frozenset[str] | None:
    """Return the flows that NeMo brings; None where it is not installed."""
    spec = find_spec("nemoguardrails")
    if spec is None or not spec.submodule_search_locations:
        return None
    root = Path(next(iter(spec.submodule_search_locations)))
    files = [p for p in root.rglob("*.co") if p.name.endswith(".v1.co") == (colang == "1.0")]
    return frozenset(name for file in files for name in defined_flows(file))


def _in_knowledge_base(file: Path, root: Path) -> bool:
    return root.is_dir() and file.relative_to(root).parts[0].startswith("kb")


def _joined(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lists that NeMo joins over files; of all other keys the last one read stands."""
    lists = ("import_paths", "models", "prompts", "instructions")
    return {
        name: [*(earlier.get(name) or []), *(later.get(name) or [])]
        for name in lists
        if name in earlier or name in later
    }


def _read_yaml(file: Path) -> tuple[dict[str, Any], list[Key]]:
    try:
        text = file.read_text("utf-8")
        content = yaml.safe_load(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(error.problem or "this is no YAML", file, line) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigError("this is no YAML text in UTF-8", file) from None
    if content is not None and not isinstance(content, dict):
        raise ConfigError("a configuration is a mapping of keys to values", file, 1)
    return content or {}, list(_keys((), root, file))


def _keys(path: KeyPath, node: Any, file: Path) -> Iterator[Key]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _keys(path, item, file)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            yield Key((*path, name), file, key.start_mark.line + 1, name in seen)
            seen.add(name)
            yield from _keys((*path, name), value, file)
