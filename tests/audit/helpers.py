"""What the tests of the audit log share."""

from corroborator.audit import MasterKey

CANARY = "zebra canary sentence 7c1"
MASTER = MasterKey(bytes(range(32)))
VERSIONS = {"versions": {"policy": "p" * 64, "encoder": "builtin:0123456789ab"}}


def everything_told(error: BaseException) -> str:
    """Return all that a caught exception tells, with every exception that travels with it."""
    told, waiting, seen = "", [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        told += f"{one!s} {one!r} {one.args!r} {getattr(one, '__notes__', '')!r} {vars(one)!r}"
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
    return told
