"""Text forms of 32 bytes: base64, base64url, hex."""

from __future__ import annotations

import base64
import binascii
import re

_HEX = re.compile(r"[0-9a-fA-F]{64}")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{43}|[A-Za-z0-9_-]{43})=?")


def parse_32_bytes(text: str) -> bytes | None:
    """The 32 bytes of a text in base64 or base64url (with or without "=") or hex; None for any other text.

    Base64 whose unused last two bits are not zero is refused, so that a key has one text a form.
    """
    if _HEX.fullmatch(text):
        return binascii.unhexlify(text)
    if not _BASE64.fullmatch(text):
        return None
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    data = base64.urlsafe_b64decode(plain + "=")
    return data if to_base64url(data) == plain else None


def to_base64(data: bytes) -> str:
    """Base64 with padding: 44 characters of 32 bytes."""
    return base64.b64encode(data).decode("ascii")


def to_base64url(data: bytes) -> str:
    """Base64url without padding: 43 characters of 32 bytes."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")
