"""What time it is; tests say another."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)
