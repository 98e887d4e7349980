"""The work of the inner model, where nothing that LangChain tells of a run can see it.

The inner model gets no callbacks. One that asks further models in turn would hand them those of the
run around it, which LangChain keeps in context variables: a refused draft would be in streams and
traces after all.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from langchain_core.runnables.config import RunnableConfig, var_child_runnable_config
from langsmith.run_helpers import tracing_context

_T = TypeVar("_T")


@contextmanager
def unseen() -> Iterator[None]:
    """Leave the callbacks and the tracers of the run around it out of what runs inside."""
    around = var_child_runnable_config.get() or {}
    kept: RunnableConfig = {**around, "callbacks": None}
    token = var_child_runnable_config.set(kept)
    try:
        with tracing_context(enabled=False):
            yield
    finally:
        var_child_runnable_config.reset(token)


def each_unseen(items: Iterator[_T]) -> Iterator[_T]:
    """Yield items, each of which is made unseen; whoever takes them is not in that context."""
    while True:
        with unseen():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


async def aeach_unseen(items: AsyncIterator[_T]) -> AsyncIterator[_T]:
    """Do what `each_unseen` does."""
    while True:
        with unseen():
            try:
                item = await anext(items)
            except StopAsyncIteration:
                return
        yield item
