"""The master key: from the environment, or from a file that only its owner can read."""

import base64
import binascii
import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from platformdirs import user_config_path

from corroborator.audit.files import new_file
from corroborator.errors import MasterKeyError

VARIABLE = "CORROBORATOR_MASTER_KEY"
KEY_BYTES = 32
_MAKE = "head -c 32 /dev/urandom | base64"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The key that wraps the key of each conversation.

    Whoever loses it loses all sealed content; whoever has it and the database can read all of it.

    Args:
        secret: 32 random bytes.

    Raises:
        MasterKeyError: it has another length.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise MasterKeyError(f"a master key is exactly {KEY_BYTES} random bytes: {_MAKE}")

    @property
    def id(self) -> str:
        """16 hexadecimal digits that tell keys apart and say nothing of the key."""
        return hmac.digest(self.secret, b"corroborator master key id", "sha256").hex()[:16]

    @classmethod
    def load(
        cls,
        *,
        database: Path | None = None,
        create: bool = False,
        environment: Mapping[str, str] = os.environ,
    ) -> Self:
        """Take the key from ``CORROBORATOR_MASTER_KEY`` (base64), else from `key_file`.

        Args:
            database: the file that the key protects; a key file in the same folder is refused.
            create: whether to make a key file where there is none.
            environment: where to look for the variable.

        Raises:
            MasterKeyError: there is no key, or it is malformed or kept in an unsafe place.
        """
        if encoded := environment.get(VARIABLE):
            return cls(_decoded(encoded, VARIABLE))
        path = key_file()
        _refuse_beside(path, database)
        encoded = _read_owned(path)
        if encoded is None and create:
            _publish(path)
            encoded = _read_owned(path)
        if encoded is None:
            raise MasterKeyError(
                f"there is no master key: set {VARIABLE} (32 bytes in base64), or put the key "
                f"file back at {path}"
            )
        return cls(_decoded(encoded, str(path)))

    @classmethod
    def read(cls, path: Path, *, database: Path | None = None) -> Self:
        """Read a file that holds a key in base64, and that only its owner can read.

        Args:
            path: the file.
            database: the file that the key protects; a key file in the same folder is refused.

        Raises:
            MasterKeyError: it is not there, malformed or kept in an unsafe place.
        """
        _refuse_beside(path, database)
        encoded = _read_owned(path)
        if encoded is None:
            raise MasterKeyError(f"there is no file {path}; make one: umask 077; {_MAKE} > {path}")
        return cls(_decoded(encoded, str(path)))


def key_file() -> Path:
    """Return where the key file is: ``master.key`` in the user's configuration folder."""
    return user_config_path("corroborator") / "master.key"


def _refuse_beside(path: Path, database: Path | None) -> None:
    if database is not None and database.resolve().parent == path.resolve().parent:
        raise MasterKeyError(
            f"{path} lies beside the database that it protects; keep the database elsewhere, "
            f"or put the key into {VARIABLE}"
        )


def _decoded(encoded: str, place: str) -> bytes:
    try:
        secret = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != KEY_BYTES:
        raise MasterKeyError(
            f"{place} does not hold {KEY_BYTES} bytes in base64; a new key is made by: {_MAKE}"
        )
    return secret


def _read_owned(path: Path) -> str | None:
    """Read a key file, if its owner alone can; None where there is none."""
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            if os.name != "posix" or _only_ours(os.fstat(file.fileno())):
                return file.read()
        problem = f"others can read or change {path}; make it yours, and run: chmod 600 {path}"
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        problem = f"the master key file {path} cannot be read ({error.strerror})"
    raise MasterKeyError(problem)


def _only_ours(found: os.stat_result) -> bool:
    shared = stat.S_IRWXG | stat.S_IRWXO
    return not stat.S_IMODE(found.st_mode) & shared and found.st_uid == os.geteuid()


def _publish(path: Path) -> None:
    """Write a new key file whole or not at all, and leave one that another process made."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError), new_file(path) as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
    except OSError as error:
        problem = f"no master key file can be made at {path} ({error.strerror}); set {VARIABLE}"
    else:
        return
    raise MasterKeyError(problem)
