"""The audit log: hash chains, sealed content, verification, export and erasure.

`AuditLog` is all that other modules need. What it guarantees, and what it cannot:

- `AuditLog.open_turn` returns when the turn is on the disk, so a turn that is never closed is found
  as a gap by `AuditLog.verify` and by the next turn of its conversation.
- The chain holds nothing about the person. What is, can be erased, and text is only kept sealed.
- Many threads and processes of one machine write one store; the chain of a conversation never
  forks.
- `corroborator.audit.verify` says which changes are found, and which only against something kept
  elsewhere.
"""

from corroborator.audit.anchoring import InclusionProof
from corroborator.audit.canonical import JSON
from corroborator.audit.chain import Record
from corroborator.audit.checkpoint import Checkpoint, PublicKey, SigningKey
from corroborator.audit.erase import ErasureReport
from corroborator.audit.keys import MasterKey
from corroborator.audit.log import AuditLog
from corroborator.audit.reading import StoredTurn
from corroborator.audit.rekey import RekeyReport
from corroborator.audit.turns import IndexRow, TurnHandle
from corroborator.audit.verify import Problem, VerifyReport

__all__ = [
    "JSON",
    "AuditLog",
    "Checkpoint",
    "ErasureReport",
    "InclusionProof",
    "IndexRow",
    "MasterKey",
    "Problem",
    "PublicKey",
    "Record",
    "RekeyReport",
    "SigningKey",
    "StoredTurn",
    "TurnHandle",
    "VerifyReport",
]
