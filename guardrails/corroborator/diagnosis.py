"""Whether an installation works: what ``corroborator doctor`` shows. Nothing is made or changed."""

import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from corroborator.audit import AuditLog, MasterKey
from corroborator.audit.keys import VARIABLE, key_file
from corroborator.audit.store import Store, database_file, read_url
from corroborator.encoders import Encoder, load_encoder
from corroborator.errors import CorroboratorError, StoreError
from corroborator.exemplars import shipped_exemplars
from corroborator.model import load_model
from corroborator.observing import load_observer
from corroborator.policy import PROFILES, Policy, load_policy, profile_policy
from corroborator.resources import resource
from corroborator.taxonomy import load_taxonomy
from corroborator.texts import load_texts
from corroborator.yaml_file import read_yaml

PACKAGES = ("numpy", "onnxruntime", "tokenizers", "faiss-cpu", "sqlalchemy", "cryptography")
"""Results depend on these, beside our own version."""

TIMED = 8
"""So many sentences are encoded to tell the time that one takes."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        ok: whether it is as it should be.
        detail: what was found; or what is wrong, and how to mend it.
    """

    name: str
    ok: bool
    detail: str


def diagnose(policy: Path | None = None, store: str | None = None) -> Iterator[Check]:
    """Look at everything that a guard needs, in the order in which it needs it.

    Args:
        policy: its file; the general profile without one.
        store: URL of an audit store that goes before the policy's.
    """
    yield _checked("versions", _versions)
    yield _checked("profiles", _profiles)
    try:
        chosen = load_policy(policy)
    except CorroboratorError as error:
        yield Check("policy", ok=False, detail=str(error))
        return
    yield Check("policy", ok=True, detail=f"{policy or 'no file'}, profile {chosen.profile}")
    yield _checked("texts", lambda: _texts(chosen))
    yield _checked("languages", lambda: f"tested: {', '.join(languages_tested())}")
    yield from _detectors(chosen)
    url = store or chosen.audit.store
    yield _checked("master key", lambda: _key(chosen, url))
    yield _checked("audit store", lambda: _store(url))
    yield _checked("telemetry", lambda: _telemetry(chosen))


def languages_tested() -> tuple[str, ...]:
    """Return the languages that the detectors were tested in, as ISO 639-1 codes."""
    return tuple(read_yaml(resource("rails_config", "languages.yml")).data["tested"])


def _checked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, detail=look())
    except CorroboratorError as error:
        return Check(name, ok=False, detail=str(error))


def _versions() -> str:
    known = (f"{package} {version(package)}" for package in ("corroborator", *PACKAGES))
    return f"Python {platform.python_version()}, {', '.join(known)}"


def _profiles() -> str:
    for profile in PROFILES:
        profile_policy(profile)
    return ", ".join(PROFILES)


def _texts(policy: Policy) -> str:
    texts = load_texts(policy.texts)
    where = "shipped" if policy.texts is None else f"{policy.texts} over the shipped ones"
    return f"{where}, {texts.hash[:12]}, clinical_review: {load_taxonomy().clinical_review}"


def _detectors(policy: Policy) -> Iterator[Check]:
    """Yield checks of the encoder and, where it loads, of the heads that belong to it."""
    started = time.perf_counter()
    try:
        encoder = load_encoder(policy.encoder)
    except CorroboratorError as error:
        yield Check("encoder", ok=False, detail=str(error))
        return
    seconds = time.perf_counter() - started
    detail = f"{encoder.id}, loaded in {seconds:.1f} s, {_milliseconds(encoder):.1f} ms a sentence"
    yield Check("encoder", ok=True, detail=detail)
    yield _checked("detectors", lambda: _model(policy, encoder))


def _milliseconds(encoder: Encoder) -> float:
    sentences = [item.text for item in shipped_exemplars(load_taxonomy())[:TIMED]]
    encoder.encode(sentences)
    started = time.perf_counter()
    encoder.encode(sentences)
    return (time.perf_counter() - started) * 1000 / TIMED


def _model(policy: Policy, encoder: Encoder) -> str:
    model = load_model(policy.model, encoder, load_taxonomy())
    where = "shipped" if policy.model is None else str(policy.model)
    return f"{where}, {model.hash[:12]}, {len(model.bank.exemplars)} exemplars, all hashes fit"


def _key(policy: Policy, url: str | None) -> str:
    place = VARIABLE if VARIABLE in os.environ else str(key_file())
    exists = VARIABLE in os.environ or key_file().exists()
    if policy.audit.content == "none" and not exists:
        return "not needed: the policy keeps no text"
    database = None if url is None else database_file(read_url(url))
    if not exists and (database is None or not database.exists()):
        return f"none yet; the first sealed record makes {place}, which you then back up"
    key = MasterKey.load(database=database)
    if database is not None and database.exists():
        AuditLog.open(str(url), master_key=key).close()  # refuses the wrong key
    return f"{place}, key {key.id}"


def _telemetry(policy: Policy) -> str:
    if load_observer(policy.telemetry) is None:
        return "nothing is sent"
    return f"opentelemetry-api {version('opentelemetry-api')}, to the providers that the app sets"


def _store(url: str | None) -> str:
    path = None if url is None else database_file(read_url(url))
    if path is None and (url is None or url.startswith("sqlite")):
        return "in memory: records are lost when the guard ends"
    if path is not None and not path.exists():
        if not os.access(path.parent, os.W_OK):
            raise StoreError(f"{path.parent} cannot be written to; choose another folder")
        return f"{path}, not there yet; the first turn makes it"
    store = Store.open(str(url))
    try:
        store.write(lambda _: None)
        sealed = store.meta().master_key_id
    finally:
        store.close()
    return f"{store.place}, can be written" + (f", sealed under key {sealed}" if sealed else "")
