"""The policy: what is watched, what is done about it, what is kept. Read strictly from YAML.

A user writes few lines; a profile (``rails_config/profiles/``) fills the rest. Unknown keys and
names, wrong types and combinations that cannot work are refused with file, line and the nearest
valid name: a typo never switches the guard off.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from corroborator.errors import ConfigError
from corroborator.observing import Telemetry
from corroborator.resources import resource
from corroborator.support_resources import Country
from corroborator.taxonomy import load_taxonomy
from corroborator.yaml_file import (
    UNKNOWN_KEY,
    LineOf,
    Problem,
    YamlFile,
    did_you_mean,
    first_problem,
    read_yaml,
)

PROFILES = ("general", "clinical", "observe")
DEFAULT_PROFILE = "general"

_DURATION = re.compile(r"([1-9]\d{0,4})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 24 * 7}


def parse_duration(value: object) -> object:
    """Read ``36h``, ``30d`` or ``8w``; anything else is left for pydantic to refuse."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        return timedelta(hours=int(match[1]) * _HOURS[match[2]])
    if isinstance(value, str | int | float):
        raise ValueError("write a duration as 36h, 30d or 8w")  # noqa: TRY004 - pydantic wants it
    return value


def _encoder_spec(spec: str) -> str:
    kind, _, name = spec.partition(":")
    if spec != "builtin" and not (kind == "sentence-transformers" and name):
        raise ValueError("write builtin, or sentence-transformers:<name or path>")
    return spec


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DomainPolicy(_Part):
    """What is done about one domain.

    Attributes:
        mode: ``off`` does not look, ``observe`` records only, ``steer`` steers and checks drafts.
        threshold: calibrated probability from which a statement counts as a finding; the shipped
            one (``embeddings/heads``) where it is not set.
    """

    mode: Literal["off", "observe", "steer"]
    threshold: float | None = Field(default=None, gt=0, lt=1)


class ProtectedPolicy(_Part):
    """The threshold of one protected disclosure; its detector cannot be switched off."""

    threshold: float = Field(gt=0, lt=1)


class SteeringPolicy(_Part):
    """How often full guidance is given on one thread; between, a reminder of a line or none."""

    repeat_after: int = Field(ge=1, le=50, description="turns until full guidance is given again")


class ReplyPolicy(_Part):
    """What is done about a draft.

    Attributes:
        on_collusion: what a draft that adopts a claim meets. ``revise`` asks the model again up to
            ``attempts`` times and then replaces.
        on_overcorrection: what a draft that doubts, interrogates or labels meets. After the last
            attempt it is replaced only where a protected disclosure is at stake.
        stream: whether a streaming host holds a reply back until it is checked.
    """

    on_collusion: Literal["release", "revise", "replace"]
    on_overcorrection: Literal["release", "revise"]
    attempts: int = Field(ge=0, le=5)
    stream: Literal["hold_never", "hold_on_finding", "hold_always"]

    @model_validator(mode="after")
    def _attempts_fit(self) -> Self:
        if self.attempts == 0 and "revise" in (self.on_collusion, self.on_overcorrection):
            raise ValueError("revise needs attempts of at least 1; or use replace or release")
        return self


class RiskHoldPolicy(_Part):
    """How long safety stays first after a sign of risk, whatever is said afterwards."""

    turns: int = Field(ge=1, le=1000)


class AuditPolicy(_Part):
    """What is kept of each turn.

    Attributes:
        store: ``sqlite:///path`` or ``postgresql://host/database``; ``null`` keeps records in memory for the life of the guard.
        content: ``none`` keeps no text; ``sealed`` keeps it encrypted under a key for each
            conversation.
        retention: conversations without a turn for that long are erased when a guard starts.
        on_error: what it means for the reply that something fails: the store, or what judges.
    """

    store: str | None
    content: Literal["none", "sealed"]
    retention: Annotated[timedelta | None, BeforeValidator(parse_duration)]
    on_error: Literal["release", "block"]

    @model_validator(mode="after")
    def _store_fits(self) -> Self:
        if self.store is not None and not self.store.startswith(("sqlite:///", "postgresql://")):
            raise ValueError(
                "store must look like sqlite:///corroborator.db or postgresql://host/database, "
                "or be null"
            )
        if self.content == "sealed" and self.store is None:
            raise ValueError("content: sealed needs a store to keep it in")
        return self


class Policy(_Part):
    """A whole policy; see `load_policy`."""

    profile: Literal["general", "clinical", "observe"] = "general"
    domains: Mapping[str, DomainPolicy]
    protected: Mapping[str, ProtectedPolicy] = {}
    steering: SteeringPolicy
    reply: ReplyPolicy
    risk_hold: RiskHoldPolicy
    audit: AuditPolicy
    region: Country | None = None
    encoder: Annotated[str, AfterValidator(_encoder_spec)] = "builtin"
    model: Path | None = Field(default=None, description="folder that `corroborator fit` wrote")
    exemplars: Path | None = Field(default=None, description="folder of exemplars of your own")
    texts: Path | None = Field(default=None, description="folder of texts that overlay ours")
    telemetry: Telemetry = Field(
        default="none", description="whether a span and events are sent for each turn (extra otel)"
    )

    @cached_property
    def hash(self) -> str:
        """The sha256 of what bears on decisions; where records are kept and sent does not."""
        bearing = self.model_dump(mode="json", exclude={"audit", "telemetry"})
        content = json.dumps(bearing, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def mode(self, domain: str) -> str:
        """Return ``off``, ``observe`` or ``steer`` for a domain."""
        return self.domains[domain].mode


def load_policy(source: str | Path | None = None) -> Policy:
    """Read a policy file over its profile; without a file, the default profile.

    Paths in the file are relative to the file.

    Raises:
        ConfigError: anything in the file is not exactly right; it names file, line and remedy.
    """
    if source is None:
        return parse_policy("")
    path = Path(source)
    file = read_yaml(path)
    return _build(file, path, path.parent)


def parse_policy(text: str) -> Policy:
    """Read a policy from YAML text; relative paths in it start at the working directory."""
    return _build(read_yaml(text), "<text>", Path())


def profile_policy(profile: str) -> Policy:
    """Return a profile as it is: ``general``, ``clinical`` or ``observe``."""
    return parse_policy(f"profile: {profile}")


def refuse_fixed(before: Policy, after: Policy, source: Path) -> None:
    """Refuse a policy that cannot take the place of another while a guard runs.

    Raises:
        ConfigError: it keeps or sends records elsewhere, or with other content; it names file and
            line.
    """
    for name in ("audit.store", "audit.content", "telemetry"):
        of = attrgetter(name)
        if of(before) != of(after):
            line = read_yaml(source).line_of(tuple(name.split(".")))
            raise ConfigError(
                f"{name}: cannot change while a guard runs; start it anew", source, line
            )


def _build(file: YamlFile, name: str | Path, folder: Path) -> Policy:
    data = {} if file.data is None else file.data
    if not isinstance(data, dict):
        problem = "a policy is a mapping of settings, such as `profile: clinical`"
        raise ConfigError(problem, name, 1)
    profile = data.get("profile", DEFAULT_PROFILE)
    if profile not in PROFILES:
        problem = f"profile: must be one of {', '.join(PROFILES)}"
        hint = did_you_mean(str(profile), PROFILES)
        raise ConfigError(problem + hint, name, file.line_of(("profile",)))
    _refuse_unknown_names(data, name, file.line_of)
    base = read_yaml(resource("rails_config", "profiles", f"{profile}.yml")).data
    try:
        return Policy.model_validate(_merged(base, _rooted(data, folder)))
    except ValidationError as error:
        problem_found = first_problem(error, file.line_of)
        hint = _key_hint(problem_found)
        raise ConfigError(
            f"{problem_found.key or 'policy'}: {problem_found.text}{hint}",
            name,
            problem_found.line,
        ) from None


def _refuse_unknown_names(data: dict[str, object], name: str | Path, line_of: LineOf) -> None:
    taxonomy = load_taxonomy()
    for section, known in (("domains", taxonomy.domains), ("protected", taxonomy.protected)):
        names = data.get(section)
        if not isinstance(names, dict):
            continue
        for identifier, settings in names.items():
            line = line_of((section, identifier))
            if identifier not in known:
                hint = did_you_mean(str(identifier), known) or f"; known are {', '.join(known)}"
                raise ConfigError(f"{section}.{identifier}: unknown name{hint}", name, line)
            if section == "protected" and isinstance(settings, dict) and "mode" in settings:
                problem = "is always on; only its threshold can be set"
                raise ConfigError(f"protected.{identifier}: {problem}", name, line)


def _merged(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {key: _merged(base.get(key), value) for key, value in over.items()}
    return over


def _rooted(data: dict[str, object], folder: Path) -> dict[str, object]:
    paths = {key: data[key] for key in ("model", "exemplars", "texts") if key in data}
    return data | {k: str(folder / v) if isinstance(v, str) else v for k, v in paths.items()}


def _key_hint(problem: Problem) -> str:
    """Return the nearest valid key where the problem is an unknown one."""
    if problem.text != UNKNOWN_KEY:
        return ""
    *above, key = problem.key.split(".")
    part = _PARTS.get(above[0], Policy) if above else Policy
    fields = tuple(part.model_fields)
    return did_you_mean(key, fields) or f"; known are {', '.join(fields)}"


_PARTS: Mapping[str, type[_Part]] = {
    "domains": DomainPolicy,
    "protected": ProtectedPolicy,
    "steering": SteeringPolicy,
    "reply": ReplyPolicy,
    "risk_hold": RiskHoldPolicy,
    "audit": AuditPolicy,
}
