"""The box stream: plaintext of one direction in boxes of at most 4096 bytes of body. No input or output here.

header, 34 bytes: box[key, n](length, 2 bytes big-endian ‖ the body's 16-byte tag)   body: encrypted with n + 1
"""

from __future__ import annotations

from nacl.bindings import crypto_secretbox_easy, crypto_secretbox_open_easy
from nacl.exceptions import CryptoError

from .errors import fault, over_limit

MAX_BODY_BYTES = 4096
_HEADER_BYTES = 34
_GOODBYE = bytes(18)
_NONCE_SPACE = 2**192


class _Direction:
    def __init__(self, key: bytes, nonce: bytes) -> None:
        self._key = key
        self._nonce = int.from_bytes(nonce, "big")

    def _next_nonce(self) -> bytes:
        nonce = self._nonce.to_bytes(24, "big")
        self._nonce = (self._nonce + 1) % _NONCE_SPACE
        return nonce


class Boxer(_Direction):
    """Encrypts one direction."""

    def box(self, plaintext: bytes) -> bytes:
        """The boxes of a plaintext of any length; none of nothing."""
        parts = []
        for start in range(0, len(plaintext), MAX_BODY_BYTES):
            body = plaintext[start : start + MAX_BODY_BYTES]
            header_nonce = self._next_nonce()
            boxed = crypto_secretbox_easy(body, self._next_nonce(), self._key)
            header = len(body).to_bytes(2, "big") + boxed[:16]
            parts.append(crypto_secretbox_easy(header, header_nonce, self._key))
            parts.append(boxed[16:])
        return b"".join(parts)

    def goodbye(self) -> bytes:
        """The end of the direction, 34 bytes. Nothing may be boxed after it."""
        return crypto_secretbox_easy(_GOODBYE, self._next_nonce(), self._key)


class Unboxer(_Direction):
    """Decrypts one direction. Holds at most one box that is not complete."""

    def __init__(self, key: bytes, nonce: bytes) -> None:
        super().__init__(key, nonce)
        self._pending = b""
        self._header: tuple[int, bytes] | None = None
        self.is_ended = False
        """The goodbye has come."""

    def feed(self, data: bytes, plain: list[bytes]) -> None:
        """Takes bytes as they came; appends the plaintext of all boxes that are complete, also of those before a fault.

        Raises RpcError ``box_invalid``, ``box_too_large`` or ``box_after_goodbye``; not to be used after that.
        """
        buffer = self._pending + data if self._pending else data
        position = 0
        while True:
            if self.is_ended:
                if position < len(buffer):
                    raise fault("box_after_goodbye", "data after the goodbye")
                break
            if self._header is None:
                if len(buffer) - position < _HEADER_BYTES:
                    break
                self._header = self._open_header(buffer[position : position + _HEADER_BYTES])
                position += _HEADER_BYTES
                continue
            length, tag = self._header
            if len(buffer) - position < length:
                break
            plain.append(self._open(tag + buffer[position : position + length]))
            position += length
            self._header = None
        self._pending = buffer[position:]

    def _open_header(self, box: bytes) -> tuple[int, bytes] | None:
        header = self._open(box)
        if header == _GOODBYE:
            self.is_ended = True
            return None
        length = int.from_bytes(header[:2], "big")
        if length > MAX_BODY_BYTES:
            raise over_limit("box_too_large", "a box", length, MAX_BODY_BYTES)
        if length == 0:
            raise fault("box_invalid", "a box of no bytes")
        return length, header[2:]

    def _open(self, box: bytes) -> bytes:
        try:
            return crypto_secretbox_open_easy(box, self._next_nonce(), self._key)
        except CryptoError as error:
            raise fault("box_invalid", "a box that does not open") from error
