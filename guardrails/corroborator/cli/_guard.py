"""From what the command line gives to a guard, or to the engine alone where nothing is recorded."""

from pathlib import Path

from corroborator.encoders import load_encoder
from corroborator.engine import Engine
from corroborator.guard import Guard
from corroborator.policy import Policy, load_policy


def open_guard(policy: Path | None, audit: str | None) -> Guard:
    """Open a guard.

    Args:
        policy: its file; the general profile without one.
        audit: the store that goes before the policy's; what is kept, and how long, stays.
    """
    chosen = load_policy(policy)
    if audit is not None:
        settings = chosen.audit.model_copy(update={"store": audit})
        chosen = chosen.model_copy(update={"audit": settings})
    return Guard(chosen)


def open_engine(policy: Policy) -> Engine:
    """Load the engine of a policy."""
    return Engine.load(policy, load_encoder(policy.encoder))
