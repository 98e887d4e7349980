"""What the tests of the audit log share."""

from collections.abc import Mapping

from corroborator.audit import AuditLog, IndexRow, MasterKey, Record

CANARY = "zebra canary sentence 7c1"
MASTER = MasterKey(bytes(range(32)))
VERSIONS = {"versions": {"policy": "p" * 64, "encoder": "builtin:0123456789ab"}}


def write(
    log: AuditLog,
    conversation: str | None = "c-1",
    *,
    domain: str | None = "age_claim",
    action: str = "steered",
    text: str = CANARY,
    detail: Mapping[str, object] | None = None,
) -> Record:
    """Write a whole turn whose text is the canary."""
    handle = log.open_turn(conversation, VERSIONS)
    body = {"action": action, "milliseconds": 1.5, "errors": [], **VERSIONS}
    sealed = {"messages": [{"position": 0, "text": text}], "reply": text}
    index = [IndexRow(domain, action, fired=domain is not None)]
    return log.close_turn(handle, body, detail or {"statements": 1}, sealed, index)
