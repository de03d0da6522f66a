"""ed25519 keys (RFC 8032) by libsodium, and the key file."""

from __future__ import annotations

import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from .errors import fault
from .node_id import NodeId

_KEY_FILE = re.compile(rb"([0-9a-f]{64})\n?")
_MAX_KEY_FILE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A node's key pair. ``secret_key`` is 64 bytes: the seed (32), then the public key (32)."""

    id: NodeId
    secret_key: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> KeyPair:
        """A new random key pair."""
        return cls.from_seed(secrets.token_bytes(32))

    @classmethod
    def from_seed(cls, seed: bytes) -> KeyPair:
        """The key pair of a seed of 32 bytes."""
        if len(seed) != 32:
            raise ValueError(f"a seed has 32 bytes, not {len(seed)}")
        public_key, secret_key = crypto_sign_seed_keypair(seed)
        return cls(NodeId(public_key), secret_key)

    def sign(self, message: bytes) -> bytes:
        """The signature of a message, 64 bytes."""
        return crypto_sign(message, self.secret_key)[:64]


def verify(signature: bytes, message: bytes, signer: NodeId) -> bool:
    """Whether a signature is the signer's over the message; False for another length than 64 bytes."""
    if len(signature) != 64:
        return False
    try:
        crypto_sign_open(signature + message, signer.data)
    except BadSignatureError:
        return False
    return True


def load_or_create_key_file(path: str | os.PathLike[str]) -> KeyPair:
    """Reads a key file (64 lower-case hex digits of the seed, a newline; mode 0600), or makes one.

    Raises RpcError ``key_file_invalid`` when it cannot be read or written, holds something else or is open to others.
    """
    file = Path(path)
    try:
        return _read(file) or _create(file)
    except OSError as error:
        raise fault("key_file_invalid", str(error)) from error


def _read(file: Path) -> KeyPair | None:
    try:
        # Non-blocking: to open a pipe would wait for its writer.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise fault("key_file_invalid", f"{file} is not a file")
        if os.name == "posix" and status.st_mode & 0o077:
            raise fault("key_file_invalid", f"others may read {file}; run: chmod 600 {file}")
        match = _KEY_FILE.fullmatch(stream.read(_MAX_KEY_FILE_BYTES))
    if match is None:
        raise fault("key_file_invalid", f"{file} does not hold 64 lower-case hex digits")
    return KeyPair.from_seed(bytes.fromhex(match[1].decode("ascii")))


def _create(file: Path) -> KeyPair:
    keys = KeyPair.generate()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Linked when it is whole: a crash or a second process never leaves or sees half a key.
    draft = file.with_name(f"{file.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(keys.secret_key[:32].hex().encode("ascii") + b"\n")
            stream.flush()
            os.fsync(descriptor)
        os.link(draft, file)
    except FileExistsError:
        other = _read(file)
        if other is None:
            raise fault("key_file_invalid", f"{file} comes and goes") from None
        return other
    finally:
        draft.unlink()
    return keys
