"""Metadata of calls: pairs of a key and text, or bytes where the key ends in "-bin"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from .errors import fault, over_limit
from .limits import MAX_METADATA_BYTES, MAX_METADATA_ENTRIES
from .v1.frame_pb2 import Metadata as Entry

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]
"""Pairs in order; a key may occur more than once. Values are bytes exactly where the key ends in "-bin"."""

Pairs: TypeAlias = tuple[tuple[str, str | bytes], ...]
"""Metadata that was received."""

_KEY = re.compile(r"[a-z0-9_.-]{1,256}")
_TEXT = re.compile(rb"[\x20-\x7e]*")


def to_entries(metadata: Metadata) -> list[Entry]:
    """Metadata as a message has it. Raises RpcError ``metadata_invalid`` or ``metadata_too_large``."""
    if not metadata:
        return []
    entries = []
    for key, value in metadata:
        if isinstance(value, str):
            if key.endswith("-bin") or not value.isascii():
                raise fault("metadata_invalid", f"the value of {key!r} is not bytes or not ASCII")
            entries.append(Entry(key=key, value=value.encode("ascii")))
        elif key.endswith("-bin"):
            entries.append(Entry(key=key, value=value))
        else:
            raise fault("metadata_invalid", f'bytes belong to a key that ends in "-bin", not {key!r}')
    _check(entries)
    return entries


def from_entries(entries: Sequence[Entry]) -> Pairs:
    """Metadata that a peer sent. Raises RpcError ``metadata_invalid`` or ``metadata_too_large``."""
    if not entries:
        return ()
    _check(entries)
    return tuple((entry.key, entry.value if entry.key.endswith("-bin") else entry.value.decode("ascii")) for entry in entries)


def _check(entries: Sequence[Entry]) -> None:
    if len(entries) > MAX_METADATA_ENTRIES:
        raise over_limit("metadata_too_large", "metadata", len(entries), MAX_METADATA_ENTRIES, unit="entries")
    size = sum(len(entry.key) + len(entry.value) for entry in entries)
    if size > MAX_METADATA_BYTES:
        raise over_limit("metadata_too_large", "metadata", size, MAX_METADATA_BYTES)
    for entry in entries:
        if not _KEY.fullmatch(entry.key):
            raise fault("metadata_invalid", "a key that is not lower-case letters, digits and -_.")
        if not entry.key.endswith("-bin") and not _TEXT.fullmatch(entry.value):
            raise fault("metadata_invalid", f"the value of {entry.key!r} is not printable ASCII")
