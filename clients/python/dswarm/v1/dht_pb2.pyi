from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PingRequest(_message.Message):
    __slots__ = ("nonce", "port")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    port: int
    def __init__(self, nonce: _Optional[bytes] = ..., port: _Optional[int] = ...) -> None: ...

class PingResponse(_message.Message):
    __slots__ = ("nonce",)
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    def __init__(self, nonce: _Optional[bytes] = ...) -> None: ...

class Contact(_message.Message):
    __slots__ = ("id", "addresses")
    ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    addresses: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[bytes] = ..., addresses: _Optional[_Iterable[str]] = ...) -> None: ...

class FindNodeRequest(_message.Message):
    __slots__ = ("target",)
    TARGET_FIELD_NUMBER: _ClassVar[int]
    target: bytes
    def __init__(self, target: _Optional[bytes] = ...) -> None: ...

class FindNodeResponse(_message.Message):
    __slots__ = ("contacts",)
    CONTACTS_FIELD_NUMBER: _ClassVar[int]
    contacts: _containers.RepeatedCompositeFieldContainer[Contact]
    def __init__(self, contacts: _Optional[_Iterable[_Union[Contact, _Mapping]]] = ...) -> None: ...

class ImmutableRecord(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: bytes
    def __init__(self, value: _Optional[bytes] = ...) -> None: ...

class MutableRecord(_message.Message):
    __slots__ = ("public_key", "salt", "sequence", "value", "signature", "deleted")
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    SALT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    public_key: bytes
    salt: bytes
    sequence: int
    value: bytes
    signature: bytes
    deleted: bool
    def __init__(self, public_key: _Optional[bytes] = ..., salt: _Optional[bytes] = ..., sequence: _Optional[int] = ..., value: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., deleted: _Optional[bool] = ...) -> None: ...

class ProviderRecord(_message.Message):
    __slots__ = ("key", "provider", "signature", "sequence", "withdrawn")
    KEY_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    provider: Contact
    signature: bytes
    sequence: int
    withdrawn: bool
    def __init__(self, key: _Optional[bytes] = ..., provider: _Optional[_Union[Contact, _Mapping]] = ..., signature: _Optional[bytes] = ..., sequence: _Optional[int] = ..., withdrawn: _Optional[bool] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("immutable", "mutable", "provider", "ttl_s")
    IMMUTABLE_FIELD_NUMBER: _ClassVar[int]
    MUTABLE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    TTL_S_FIELD_NUMBER: _ClassVar[int]
    immutable: ImmutableRecord
    mutable: MutableRecord
    provider: ProviderRecord
    ttl_s: int
    def __init__(self, immutable: _Optional[_Union[ImmutableRecord, _Mapping]] = ..., mutable: _Optional[_Union[MutableRecord, _Mapping]] = ..., provider: _Optional[_Union[ProviderRecord, _Mapping]] = ..., ttl_s: _Optional[int] = ...) -> None: ...

class StoreRequest(_message.Message):
    __slots__ = ("record", "expected_sequence", "forward_to", "forwarded")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    FORWARD_TO_FIELD_NUMBER: _ClassVar[int]
    FORWARDED_FIELD_NUMBER: _ClassVar[int]
    record: Record
    expected_sequence: int
    forward_to: _containers.RepeatedScalarFieldContainer[bytes]
    forwarded: bool
    def __init__(self, record: _Optional[_Union[Record, _Mapping]] = ..., expected_sequence: _Optional[int] = ..., forward_to: _Optional[_Iterable[bytes]] = ..., forwarded: _Optional[bool] = ...) -> None: ...

class StoreResponse(_message.Message):
    __slots__ = ("kept_by",)
    KEPT_BY_FIELD_NUMBER: _ClassVar[int]
    kept_by: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, kept_by: _Optional[_Iterable[bytes]] = ...) -> None: ...

class FindValueRequest(_message.Message):
    __slots__ = ("key", "immutable_suffices")
    KEY_FIELD_NUMBER: _ClassVar[int]
    IMMUTABLE_SUFFICES_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    immutable_suffices: bool
    def __init__(self, key: _Optional[bytes] = ..., immutable_suffices: _Optional[bool] = ...) -> None: ...

class FindValueResponse(_message.Message):
    __slots__ = ("records", "contacts")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[Record]
    contacts: _containers.RepeatedCompositeFieldContainer[Contact]
    def __init__(self, records: _Optional[_Iterable[_Union[Record, _Mapping]]] = ..., contacts: _Optional[_Iterable[_Union[Contact, _Mapping]]] = ...) -> None: ...
