import io

import numpy as np
import pytest

from corroborator.archives import opened
from corroborator.errors import DataError


def archive(*values: int) -> bytes:
    """Return an archive with one array, ``arr_0``."""
    buffer = io.BytesIO()
    np.savez(buffer, np.array(values))
    return buffer.getvalue()


def test_what_was_stored_is_read() -> None:
    with opened(archive(1, 2), "these places", "make them again") as stored:
        assert stored["arr_0"].tolist() == [1, 2]


@pytest.mark.parametrize("content", [b"", b"nonsense", archive(1)[:60], archive(1)])
def test_what_is_broken_or_missing_is_told_with_its_remedy(content: bytes) -> None:
    problem = r"these places cannot be read \(\w+\); make them again"
    with (
        pytest.raises(DataError, match=problem) as caught,
        opened(content, "these places", "make them again") as stored,
    ):
        assert stored["places"] is not None
    assert caught.value.__cause__ is None


def test_nothing_is_unpickled() -> None:
    content = io.BytesIO()
    np.savez(content, places=np.array([{"a": 1}], dtype=object))
    with (
        pytest.raises(DataError, match="cannot be read"),
        opened(content.getvalue(), "these places", "make them again") as stored,
    ):
        assert stored["places"] is not None
