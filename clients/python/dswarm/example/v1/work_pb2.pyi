from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class CountPrimesRequest(_message.Message):
    __slots__ = ("to",)
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    to: int
    def __init__(self, to: _Optional[int] = ..., **kwargs) -> None: ...

class CountPrimesResponse(_message.Message):
    __slots__ = ("primes",)
    PRIMES_FIELD_NUMBER: _ClassVar[int]
    primes: int
    def __init__(self, primes: _Optional[int] = ...) -> None: ...
