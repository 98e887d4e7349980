"""Sealing: AES-256-GCM under a key for each conversation, wrapped by the master key.

Destroying the wrapped key destroys the content, wherever copies of it lie.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from corroborator.audit.keys import KEY_BYTES, MasterKey
from corroborator.errors import IntegrityError

NONCE_BYTES = 12


def new_data_key() -> bytes:
    """Return the 32 random bytes of a conversation's key."""
    return secrets.token_bytes(KEY_BYTES)


def wrap(master: MasterKey, data_key: bytes, chain: str) -> bytes:
    """Encrypt a conversation's key; it unwraps for the same chain only."""
    return seal(master.secret, data_key, f"data key of {chain}")


def unwrap(master: MasterKey, wrapped: bytes, chain: str) -> bytes:
    """Decrypt a conversation's key.

    Raises:
        IntegrityError: it was changed, or belongs to another chain or master key.
    """
    return unseal(master.secret, wrapped, f"data key of {chain}")


def seal(key: bytes, plain: bytes, place: str) -> bytes:
    """Encrypt, bound to a place; returns nonce (12 bytes), ciphertext and tag (16 bytes)."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, place.encode())


def unseal(key: bytes, sealed: bytes, place: str) -> bytes:
    """Decrypt what `seal` returned.

    Raises:
        IntegrityError: it was changed, or is not of this place or under this key.
    """
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, place.encode())
    except (InvalidTag, ValueError, TypeError):
        pass  # raised below, so that nothing travels with the error
    raise IntegrityError("sealed content was changed, moved, or sealed under another key")
