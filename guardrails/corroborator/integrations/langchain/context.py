"""What the app knows, handed over in the runtime context of a run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from langgraph.runtime import Runtime

from corroborator.evidence import Evidence


@dataclass(frozen=True)
class GuardContext:
    """What the guard reads of a run's ``context``; use it, inherit from it, or imitate it.

    A context of another class, or a mapping, is read the same way: what it has of these names is
    taken. Nothing that a user or a tool writes gets here.

    Attributes:
        evidence: what bears on the user's claims.
        subject: the app's own id of the person, so that all their records can be erased.
        conversation: the app's own id of the conversation; by default the id of the thread.
    """

    evidence: Iterable[Evidence] = ()
    subject: str | None = None
    conversation: str | None = None


def read_context(runtime: Runtime[Any] | None) -> GuardContext:
    """Return what the guard needs of a runtime's context."""
    context = getattr(runtime, "context", None)
    if isinstance(context, GuardContext):
        return context
    names = [field.name for field in fields(GuardContext)]
    if isinstance(context, Mapping):
        given = {name: context.get(name) for name in names}
    else:
        given = {name: getattr(context, name, None) for name in names}
    return GuardContext(**{name: value for name, value in given.items() if value is not None})


def thread_id(runtime: Runtime[Any] | None) -> str | None:
    """Return the id of the thread; without a checkpointer there is none."""
    found = getattr(getattr(runtime, "execution_info", None), "thread_id", None)
    return None if found is None else str(found)


def host_id(runtime: Runtime[Any] | None) -> str | None:
    """Return LangGraph's ids for the record: the run, if the caller named it, and the checkpoint.

    The thread is not among them: its id is that of the conversation, which the audit store holds as
    a keyed hash alone.
    """
    info = getattr(runtime, "execution_info", None)
    run, checkpoint = (getattr(info, name, None) for name in ("run_id", "checkpoint_id"))
    named = [f"{k}={v}" for k, v in (("run", run), ("checkpoint", checkpoint)) if _is_id(v)]
    return "/".join(named) or None


def _is_id(value: object) -> bool:
    """Whether it is an id such as LangGraph makes them; the chain takes nothing else."""
    try:
        return bool(value) and bool(UUID(str(value)))
    except ValueError:
        return False
