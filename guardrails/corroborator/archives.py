"""NumPy archives: what a fit stores, read with no pickle and told plainly where it is broken."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from corroborator.errors import DataError

_BROKEN = (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, BadZipFile)


@contextmanager
def opened(content: bytes, what: str, remedy: str) -> Iterator[Mapping[str, NDArray[Any]]]:
    """Open an archive; what is missing or wrong in it, also while it is used, is a `DataError`.

    Args:
        content: the bytes of the archive.
        what: what it holds, for the error.
        remedy: how to mend it, for the error.

    Raises:
        DataError: the content is no such archive.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            yield stored
    except _BROKEN as error:
        raise DataError(f"{what} cannot be read ({type(error).__name__}); {remedy}") from None
