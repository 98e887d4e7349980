"""From ``custom_data.corroborator`` of a NeMo configuration to a guard; one for each policy."""

import atexit
import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import yaml

from corroborator.encoders import Encoder, load_encoder
from corroborator.errors import ConfigError
from corroborator.guard import Guard
from corroborator.policy import Policy, load_policy, parse_policy

KEY = "corroborator"
"""Where our settings stand in ``custom_data``, and what is meant for us in a context message."""

_LOG = logging.getLogger("corroborator.nemo")
_PATHS = ("model", "exemplars", "texts")
_guards: dict[str, Guard] = {}
_encoders: dict[str, Encoder] = {}
_lock = threading.RLock()
_on_trial: ContextVar[bool] = ContextVar("corroborator_on_trial", default=False)


def read_settings(custom_data: Mapping[str, Any] | None, folder: Path) -> Policy:
    """Return the policy that a configuration asks for.

    Args:
        custom_data: of the configuration. Its ``corroborator`` is the policy itself, or
            ``{policy: FILE}``; without it, the general profile.
        folder: of the configuration; paths are relative to it.

    Raises:
        ConfigError: the settings or the policy file are not exactly right.
    """
    given = (custom_data or {}).get(KEY)
    if given is None:
        return load_policy()
    if not isinstance(given, Mapping):
        raise ConfigError(f"custom_data.{KEY}: write a policy, or {{policy: rails.yml}}")
    if "policy" not in given:
        return _inline(given, folder)
    if list(given) != ["policy"] or not isinstance(given["policy"], str):
        problem = "policy names a file; the other settings then stand in that file"
        raise ConfigError(f"custom_data.{KEY}: {problem}")
    return load_policy(folder / given["policy"])


def shared_guard(policy: Policy) -> Guard:
    """Return the guard for a policy; the same for all apps of the process that ask for the same."""
    if _on_trial.get():
        policy = unrecorded(policy)
    key = json.dumps(policy.model_dump(mode="json"), sort_keys=True)
    with _lock:
        if key not in _guards:
            _guards[key] = Guard(policy, encoder=shared_encoder(policy.encoder))
            _LOG.info("guarding with profile %s; %s", policy.profile, effective(policy))
        return _guards[key]


@contextmanager
def on_trial() -> Iterator[None]:
    """Keep what apps made in here record in memory alone, and send nothing of it."""
    token = _on_trial.set(True)
    try:
        yield
    finally:
        _on_trial.reset(token)


def unrecorded(policy: Policy) -> Policy:
    """Return the same policy with records in memory, without their text, and sent nowhere."""
    audit = policy.audit.model_copy(update={"store": None, "content": "none"})
    return policy.model_copy(update={"audit": audit, "telemetry": "none"})


def shared_encoder(spec: str) -> Encoder:
    """Return an encoder; the same for all guards and for NeMo's own indexes."""
    with _lock:
        if spec not in _encoders:
            _encoders[spec] = load_encoder(spec)
        return _encoders[spec]


def effective(policy: Policy) -> str:
    """Return what a policy comes to, in a line for a log."""
    modes = [domain.mode for domain in policy.domains.values()]
    reply = policy.reply
    return (
        f"{modes.count('steer')} domains steered on, {modes.count('observe')} observed;"
        f" drafts: {reply.on_collusion}, {reply.stream}; records: {policy.audit.store or 'memory'}"
    )


@atexit.register
def close_guards() -> None:
    """Close all shared guards."""
    with _lock:
        while _guards:
            _guards.popitem()[1].close()


def _inline(given: Mapping[str, Any], folder: Path) -> Policy:
    rooted = {
        key: str(folder / value) if key in _PATHS and isinstance(value, str) else value
        for key, value in given.items()
    }
    try:
        return parse_policy(yaml.safe_dump(_words(rooted)))
    except ConfigError as error:
        raise ConfigError(f"custom_data.{KEY}: {error.problem}") from None


def _words(value: Any) -> Any:
    """Return the settings with ``mode: off`` as it was written: NeMo's YAML reads it as false."""
    if isinstance(value, Mapping):
        return {
            key: "off" if key == "mode" and item is False else _words(item)
            for key, item in value.items()
        }
    return value
