"""Who is told when a turn is over: nobody, or OpenTelemetry where the policy says so."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from corroborator.errors import ConfigError

Telemetry = Literal["none", "opentelemetry"]


@dataclass(frozen=True, slots=True)
class TurnReport:
    """What is told of a turn: what its record says, so no text and no vector.

    Attributes:
        started: when it was opened, in nanoseconds since 1970.
        record: id of its record, or of the event that opened it; None where the log failed.
        body: what is chained, see `corroborator.record.body_of`; None for a turn that failed.
        detail: what was judged, see `corroborator.record.detail_of`; None in the same case.
        errors: names of what went wrong, the log's among them.
    """

    started: int
    record: str | None
    body: Mapping[str, object] | None
    detail: Mapping[str, object] | None
    errors: tuple[str, ...]


Observer = Callable[[TurnReport], None]


def load_observer(telemetry: Telemetry) -> Observer | None:
    """Return the observer that a policy names.

    Raises:
        ConfigError: the extra is not installed.
    """
    if telemetry == "none":
        return None
    try:
        from corroborator.integrations.otel import OpenTelemetryObserver  # noqa: PLC0415 - an extra
    except ImportError:
        problem = "telemetry: opentelemetry needs an extra: pip install 'corroborator[otel]'"
        raise ConfigError(problem) from None
    return OpenTelemetryObserver()
