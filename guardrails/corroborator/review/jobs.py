"""Work that takes longer than a page may: one job at a time, found again by its name."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from corroborator.errors import CorroboratorError

_T = TypeVar("_T")
_LOG = logging.getLogger("corroborator.review")

Tell = Callable[[str], None]
"""Says how far a job is, in words."""


@dataclass
class Job(Generic[_T]):
    """A job.

    Attributes:
        says: how far it is.
        result: what came of it; None while it runs, and where it failed.
        problem: why it failed; empty where it did not.
    """

    says: str = "waiting"
    result: _T | None = None
    problem: str = ""
    _future: "Future[None] | None" = field(default=None, repr=False)

    @property
    def runs(self) -> bool:
        """Whether it is not over yet."""
        return self.result is None and not self.problem


class Jobs(Generic[_T]):
    """Jobs of one kind."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, "review-job")
        self._known: dict[str, Job[_T]] = {}
        self._lock = threading.Lock()

    def find(self, name: str) -> Job[_T] | None:
        """Return a job that was started."""
        return self._known.get(name)

    def start(self, name: str, work: Callable[[Tell], _T]) -> Job[_T]:
        """Start a job, unless one of this name runs or is done."""
        with self._lock:
            known = self._known.get(name)
            if known is not None and not known.problem:
                return known
            job = self._known[name] = Job()
            job._future = self._worker.submit(_run, job, work)  # noqa: SLF001 - our own class
            return job

    def close(self) -> None:
        """Wait for the job that runs, and drop the others."""
        self._worker.shutdown(cancel_futures=True)


def _run(job: Job[_T], work: Callable[[Tell], _T]) -> None:
    def tell(words: str) -> None:
        job.says = words

    try:
        job.result = work(tell)
    except CorroboratorError as error:
        job.problem = str(error)
    except Exception as error:  # noqa: BLE001 - the outermost edge; it may quote text
        _LOG.error("a job failed: %s", type(error).__name__)
        job.problem = f"it failed ({type(error).__name__})"
