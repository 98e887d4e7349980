"""Signed checkpoints: what the log was at a moment, in a few lines to keep elsewhere.

Form: C2SP tlog-checkpoint in a C2SP signed-note, Ed25519 (https://c2sp.org/tlog-checkpoint,
https://c2sp.org/signed-note). The tree has one leaf for each event of the store, in the order of
writing: the 32 bytes of its hash. Erasure leaves events alone, so it changes no root.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from corroborator.audit.merkle import Hash
from corroborator.errors import InputError, IntegrityError

_ED25519 = b"\1"
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed.

    Attributes:
        origin: name of the log.
        size: how many events it had.
        root: Merkle root over them.
        time: when, UTC, ISO 8601; a line of its own after the root.
    """

    origin: str
    size: int
    root: Hash
    time: str

    @property
    def text(self) -> str:
        """The signed lines."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\ntime {self.time}\n"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The key that checkpoints are verified with: ``name+id+key``, as signed notes write it."""

    name: str
    key: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the written form.

        Raises:
            InputError: it is not one.
        """
        name, _, rest = text.strip().partition("+")
        number, _, encoded = rest.partition("+")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if raw[:1] == _ED25519 and len(raw) == len(_ED25519) + 32:
            found = cls(name, raw[1:])
            if found.id.hex() == number:
                return found
        raise InputError("this is no public key of a log: name+id+key, as `audit keygen` prints it")

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.key).decode()}"

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.key).digest()[:4]

    def open(self, note: str) -> Checkpoint:
        """Return the checkpoint in a signed note.

        Raises:
            IntegrityError: this key has not signed it, or it is no checkpoint.
        """
        text, blank, signatures = note.partition("\n\n")
        text += "\n"
        for line in signatures.splitlines() if blank else ():
            if self._has_signed(text, line):
                return _parsed(text)
        raise IntegrityError("this checkpoint was not signed with this key, or was changed")

    def _has_signed(self, text: str, line: str) -> bool:
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        try:
            raw = base64.b64decode(encoded, validate=True)
            if not line.startswith(_DASH) or name != self.name or raw[:4] != self.id:
                return False
            Ed25519PublicKey.from_public_bytes(self.key).verify(raw[4:], text.encode())
        except (binascii.Error, ValueError, InvalidSignature):
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs checkpoints; keep it where those who write the log cannot read it."""

    name: str
    private: Ed25519PrivateKey

    @classmethod
    def create(cls, path: Path, name: str) -> Self:
        """Make a key and write it, PEM, to a new file that only its owner may read.

        Raises:
            InputError: the name is empty or has a blank or a plus in it, or the file exists.
        """
        if not name or any(c.isspace() or c == "+" for c in name):
            raise InputError("a key's name has no blank and no plus, for example log.example.org")
        key = cls(name, Ed25519PrivateKey.generate())
        pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            raise InputError(f"{path} is there already; name another file") from None
        path.write_bytes(f"# {name}\n".encode() + pem)
        return key

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `create` wrote.

        Raises:
            InputError: the file is missing or holds no such key.
        """
        try:
            head, _, pem = path.read_bytes().partition(b"\n")
            private = load_pem_private_key(pem, password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
            private = None
        if not isinstance(private, Ed25519PrivateKey) or not head.startswith(b"# "):
            raise InputError(f"{path} holds no signing key; make one with `audit keygen`")
        return cls(head[2:].decode("utf-8", "replace"), private)

    @property
    def public(self) -> PublicKey:
        """The key to verify with."""
        return PublicKey(self.name, self.private.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return the signed note."""
        signature = self.public.id + self.private.sign(checkpoint.text.encode())
        encoded = base64.b64encode(signature).decode()
        return f"{checkpoint.text}\n{_DASH}{self.name} {encoded}\n"


def _parsed(text: str) -> Checkpoint:
    try:
        origin, size, root, time = text.splitlines()
        return Checkpoint(
            origin, int(size), base64.b64decode(root, validate=True), time.removeprefix("time ")
        )
    except (ValueError, binascii.Error):
        raise IntegrityError("what was signed is no checkpoint of an audit log") from None
