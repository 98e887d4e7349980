"""New files that nobody else can read, written whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file to write; it stands at its path only when all of it is on the disk.

    Raises:
        FileExistsError: there is one already, before anything is written or at the end; it is
            left as it is.
        OSError: it cannot be written there; nothing is left.
    """
    if path.exists():
        raise FileExistsError(path)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
