"""Corroborator: non-collusion guardrails for conversational AI.

::

    guard = Guard.from_yaml("rails.yml")
    turn = guard.open_turn(messages, conversation="c-17")
    reply = model(messages, turn.steering)
    verdict = turn.check(reply)
    turn.close(reply)
"""

from corroborator.decision import Decision
from corroborator.drafts import ReplyVerdict
from corroborator.errors import (
    AuditError,
    ConfigError,
    CorroboratorError,
    DataError,
    EncoderError,
    InputError,
    IntegrityError,
    MasterKeyError,
    StoreError,
    TurnError,
)
from corroborator.evidence import Evidence
from corroborator.findings import Finding
from corroborator.guard import Guard
from corroborator.policy import Policy, load_policy, parse_policy
from corroborator.reply_check import Assessment, MarkedSentence
from corroborator.streaming import ReplyStream, StreamEnd
from corroborator.turn import ClosedTurn, Turn
from corroborator.version import __version__

__all__ = [
    "Assessment",
    "AuditError",
    "ClosedTurn",
    "ConfigError",
    "CorroboratorError",
    "DataError",
    "Decision",
    "EncoderError",
    "Evidence",
    "Finding",
    "Guard",
    "InputError",
    "IntegrityError",
    "MarkedSentence",
    "MasterKeyError",
    "Policy",
    "ReplyStream",
    "ReplyVerdict",
    "StoreError",
    "StreamEnd",
    "Turn",
    "TurnError",
    "__version__",
    "load_policy",
    "parse_policy",
]
