"""The texts that the guard uses: steering, replacements, revision guidance, places to turn to.

They ship in ``rails_config/`` as ``steering.yml``, ``replacements.yml`` and ``resources.yml``. Files
of the same names in a user's folder go over ours, entry by entry.
"""

import datetime as dt
import hashlib
import json
import string
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, ValidationError

from corroborator.errors import ConfigError, DataError
from corroborator.resources import resource
from corroborator.support_resources import Resources
from corroborator.taxonomy import CodeKind, Record, Sentence, keyed, load_taxonomy
from corroborator.yaml_file import did_you_mean, first_problem, read_yaml

_ENTRY_DEPTH = 3  # domains / age_claim / brief, needs / crisis / GB: what an overlay replaces whole

_Model = TypeVar("_Model", bound=Record)
_Names = Callable[[], Collection[str]]


def _domains() -> Collection[str]:
    return load_taxonomy().domains


def _protected() -> Collection[str]:
    return load_taxonomy().protected


def _faults() -> Collection[str]:
    codes = load_taxonomy().codes.values()
    return [code.code for code in codes if code.kind is not CodeKind.GOOD]


def _one_of(names: _Names) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names():
            raise ValueError(f"there is no {name} in the taxonomy{did_you_mean(name, names())}")
        return name

    return AfterValidator(check)


def _every(names: _Names) -> AfterValidator:
    def check(rows: Mapping[str, Any]) -> Mapping[str, Any]:
        if missing := [name for name in names() if name not in rows]:
            raise ValueError(f"{missing[0]} is missing")
        return MappingProxyType(dict(rows))

    return AfterValidator(check)


def _at_most(words: int) -> AfterValidator:
    def check(text: str) -> str:
        if (count := len(text.split())) > words:
            raise ValueError(f"the text has {count} words; at most {words} are allowed")
        return text

    return AfterValidator(check)


def _placeholders(*allowed: str) -> AfterValidator:
    def check(text: str) -> str:
        for _, field, spec, conversion in string.Formatter().parse(text):
            if field is not None and (field not in allowed or spec or conversion):
                known = " and ".join(f"{{{name}}}" for name in allowed) or "none"
                raise ValueError(f"{{{field}}} is not a placeholder here; known: {known}")
        return text

    return AfterValidator(check)


_DomainId = Annotated[str, _one_of(_domains)]
_ProtectedId = Annotated[str, _one_of(_protected)]
_Code = Annotated[str, _one_of(_faults)]
_GuidanceText = Annotated[Sentence, _at_most(75), _placeholders()]
_BriefText = Annotated[Sentence, _at_most(25), _placeholders()]
_SharedText = Annotated[Sentence, _at_most(40), _placeholders()]
_EvidenceText = Annotated[Sentence, _at_most(40), _placeholders("source", "text")]
_ReplyText = Annotated[Sentence, _at_most(90), _placeholders()]
_ResourceText = Annotated[Sentence, _at_most(40), _placeholders("name", "contact")]
_RevisionText = Annotated[Sentence, _at_most(35), _placeholders()]


class Guidance(Record):
    """What a good reply does: in full for the first turn, in brief for later ones."""

    id: str
    guidance: _GuidanceText
    brief: _BriefText


class SharedGuidance(Record):
    """Guidance that goes with any domain.

    Attributes:
        mixed_lead: for a disclosure that comes together with a claim.
        corroborated: for a claim that evidence supports; may hold ``{source}`` and ``{text}``.
        contradicted: for a claim that evidence speaks against; may hold the same.
        risk_hold: for turns after danger was spoken of.
        closed_tool: in place of the result of a tool that waits for a corroborated claim.
        resource: with a place to turn to; may hold ``{name}`` and ``{contact}``.
    """

    mixed_lead: _SharedText
    corroborated: _EvidenceText
    contradicted: _EvidenceText
    risk_hold: _SharedText
    closed_tool: _SharedText
    resource: _ResourceText


class Steering(Record):
    """Guidance for the model, by domain and by protected disclosure."""

    version: int
    domains: Annotated[Mapping[_DomainId, Guidance], BeforeValidator(keyed), _every(_domains)]
    protected: Annotated[
        Mapping[_ProtectedId, Guidance], BeforeValidator(keyed), _every(_protected)
    ]
    shared: SharedGuidance


class Replacement(Record):
    """What the person reads when no draft could be sent."""

    text: _ReplyText


class Revision(Record):
    """Guidance for the next draft, by domain and by the code of what was wrong (K1 to O12)."""

    domains: Annotated[Mapping[_DomainId, _RevisionText], _every(_domains)]
    codes: Annotated[Mapping[_Code, _RevisionText], _every(_faults)]


class Replacements(Record):
    """Replacements by domain and by protected disclosure, with one for all other cases.

    Attributes:
        resource: what a replacement ends with where safety is at stake; may hold ``{name}`` and
            ``{contact}``.
    """

    version: int
    default: Replacement
    resource: _ResourceText
    domains: Annotated[Mapping[_DomainId, Replacement], _every(_domains)]
    protected: Annotated[Mapping[_ProtectedId, Replacement], _every(_protected)]
    revision: Revision

    def text(self, identifier: str | None) -> str:
        """Return the replacement for a domain or disclosure, or the one for all other cases."""
        rows = {**self.domains, **self.protected}
        return rows.get(identifier or "", self.default).text


@dataclass(frozen=True, slots=True)
class Texts:
    """All texts of a guard, read-only.

    Attributes:
        hash: SHA-256, in hexadecimal, over what the files say together (comments do not count).
    """

    steering: Steering
    replacements: Replacements
    revision: Revision
    resources: Resources
    hash: str


def load_texts(overlay: Path | None = None) -> Texts:
    """Return the shipped texts with a user's own over them.

    Args:
        overlay: a folder that may hold ``steering.yml``, ``replacements.yml`` and
            ``resources.yml``, each with only the entries to change. A row of ``resources.yml`` is
            replaced whole.

    Raises:
        ConfigError: a file in the folder does not hold; names the file and line.
        DataError: a shipped file does not hold; names the file, line and key.
    """
    if overlay is not None:
        _check_folder(overlay)
    steering, first = _load("steering.yml", Steering, overlay)
    replacements, second = _load("replacements.yml", Replacements, overlay)
    resources, third = _load("resources.yml", Resources, overlay)
    content = json.dumps([first, second, third], sort_keys=True, default=dt.date.isoformat)
    return Texts(
        steering=steering,
        replacements=replacements,
        revision=replacements.revision,
        resources=resources,
        hash=hashlib.sha256(content.encode()).hexdigest(),
    )


def _check_folder(overlay: Path) -> None:
    if not overlay.is_dir():
        raise ConfigError("there is no such folder", overlay)
    for name in ("steering", "replacements", "resources"):
        if (overlay / f"{name}.yaml").exists():
            raise ConfigError(f"call this file {name}.yml", overlay / f"{name}.yaml")
    if (overlay / "taxonomy.yml").exists():
        problem = "the taxonomy is closed, because fitted heads belong to it; remove this file"
        raise ConfigError(problem, overlay / "taxonomy.yml")


def _load(name: str, model: type[_Model], overlay: Path | None) -> tuple[_Model, Any]:
    texts, data = _shipped(name, model)
    if overlay is None or not (overlay / name).exists():
        return texts, data
    file = overlay / name
    own, line_of = read_yaml(file)
    merged = data if own is None else _merged(data, own, _ENTRY_DEPTH)
    try:
        return model.model_validate(merged), merged
    except ValidationError as error:
        problem = first_problem(error, line_of)
        raise ConfigError(f"{problem.key}: {problem.text}", file, problem.line) from None


@cache
def _shipped(name: str, model: type[_Model]) -> tuple[_Model, Any]:
    file = f"rails_config/{name}"
    try:
        data, line_of = read_yaml(resource("rails_config", name), file)
        return model.model_validate(data), data
    except ConfigError as error:
        raise DataError(str(error)) from None
    except ValidationError as error:
        problem = first_problem(error, line_of)
        raise DataError(f"{file}:{problem.line}: {problem.key}: {problem.text}") from None


def _merged(ours: Any, theirs: Any, depth: int) -> Any:
    if depth == 0 or not isinstance(ours, dict) or not isinstance(theirs, dict):
        return theirs
    return {
        **ours,
        **{key: _merged(ours.get(key), value, depth - 1) for key, value in theirs.items()},
    }
