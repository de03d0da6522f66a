from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class SignedAnnounce(_message.Message):
    __slots__ = ("announce", "signature")
    ANNOUNCE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    announce: bytes
    signature: bytes
    def __init__(self, announce: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Announce(_message.Message):
    __slots__ = ("version", "network_id", "public_key", "port", "addresses", "certificate_sha256", "epoch_ms", "leaving")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NETWORK_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_SHA256_FIELD_NUMBER: _ClassVar[int]
    EPOCH_MS_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    version: int
    network_id: bytes
    public_key: bytes
    port: int
    addresses: _containers.RepeatedScalarFieldContainer[str]
    certificate_sha256: bytes
    epoch_ms: int
    leaving: bool
    def __init__(self, version: _Optional[int] = ..., network_id: _Optional[bytes] = ..., public_key: _Optional[bytes] = ..., port: _Optional[int] = ..., addresses: _Optional[_Iterable[str]] = ..., certificate_sha256: _Optional[bytes] = ..., epoch_ms: _Optional[int] = ..., leaving: _Optional[bool] = ...) -> None: ...
