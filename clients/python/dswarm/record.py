"""Records of the DHT: made, signed and checked (docs/protocol.md, section 7)."""

from __future__ import annotations

import ipaddress
from hashlib import sha256, sha512

from .base64_key import parse_32_bytes, to_base64
from .errors import RpcError, fault, over_limit
from .keys import KeyPair, verify
from .node_id import NodeId
from .peer_address import HostPort
from .v1.dht_pb2 import Contact, ImmutableRecord, MutableRecord, ProviderRecord, Record

MAX_VALUE_BYTES = 65_536
MAX_SALT_BYTES = 64
MAX_SEQUENCE = 2**64 - 1
_MAX_ADDRESSES = 4
_MAX_ADDRESS_CHARACTERS = 64


def key_of_value(value: bytes) -> bytes:
    """The key of an immutable record."""
    return sha256(value).digest()


def key_of_signer(signer: NodeId, salt: bytes = b"") -> bytes:
    """The key of a mutable record. Were it a SHA-256, what it is of would be a value under the same key, for anyone to put."""
    return sha512(b"dswarm-mutable-key-v1\0" + signer.data + salt).digest()[:32]


def key_of_name(name: str) -> bytes:
    """The key of the providers of something with a name, for example of a service's type name."""
    return sha256(name.encode()).digest()


def parse_key(text: str) -> bytes:
    """Reads a key (32 bytes) from base64, base64url or hex, each with or without "&". Raises RpcError ``record_key_invalid``."""
    key = parse_32_bytes(text.removeprefix("&"))
    if key is None:
        raise fault("record_key_invalid", 'expected "&" and 44 characters of base64, or base64url, or hex')
    return key


def key_text(key: bytes) -> str:
    """A key of 32 bytes as text: "&" and 44 characters of base64."""
    return f"&{to_base64(key)}"


def signed_bytes(record: MutableRecord | ProviderRecord) -> bytes:
    """What the signature of a record is over."""
    sequence = record.sequence.to_bytes(8, "big")
    if isinstance(record, MutableRecord):
        head = b"dswarm-mutable-v1\0" + bytes((len(record.salt),)) + record.salt
        return head + sequence + bytes((record.deleted,)) + sha256(record.value).digest()
    head = b"dswarm-provider-v1\0" + record.key + sequence + bytes((record.withdrawn,))
    addresses = (str(address).encode() for address in addresses_of(record.provider))
    return head + b"".join(bytes((len(text),)) + text for text in addresses)


def immutable(value: bytes) -> Record:
    """The record of a value. Raises RpcError ``record_too_large``."""
    return _checked(Record(immutable=ImmutableRecord(value=value)))


def mutable(keys: KeyPair, value: bytes, sequence: int, salt: bytes) -> Record:
    """A signed value. Raises RpcError ``record_too_large``, ``record_invalid``."""
    if len(salt) > MAX_SALT_BYTES:
        raise over_limit("record_invalid", "a salt", len(salt), MAX_SALT_BYTES)
    record = MutableRecord(public_key=keys.id.data, salt=salt, sequence=sequence, value=value)
    record.signature = keys.sign(signed_bytes(record))
    return _checked(Record(mutable=record))


def provider(keys: KeyPair, key: bytes, addresses: list[HostPort], sequence: int) -> Record:
    """A provider's word. Raises RpcError ``record_invalid``."""
    contact = Contact(id=keys.id.data, addresses=[str(address) for address in addresses])
    record = ProviderRecord(key=key, provider=contact, sequence=sequence)
    record.signature = keys.sign(signed_bytes(record))
    return _checked(Record(provider=record))


def _checked(record: Record) -> Record:
    key_of(record)
    return record


def key_of(record: Record) -> bytes:
    """The key of a record, all of which is checked. Raises RpcError ``record_invalid``, ``record_too_large``, ``record_forged``."""
    kind = record.WhichOneof("kind")
    if kind == "immutable":
        _check_value(record.immutable.value)
        return key_of_value(record.immutable.value)
    if kind == "mutable":
        held = record.mutable
        _check_value(held.value)
        if len(held.salt) > MAX_SALT_BYTES:
            raise over_limit("record_invalid", "a salt", len(held.salt), MAX_SALT_BYTES)
        if held.deleted and held.value:
            raise fault("record_invalid", "a deleted record with a value")
        signer = _id_of(held.public_key)
        _check_signature(held, signer)
        return key_of_signer(signer, held.salt)
    if kind == "provider":
        word = record.provider
        if len(word.key) != 32:
            raise fault("record_invalid", "a key of another length than 32 bytes")
        addresses_of(word.provider)
        _check_signature(word, _id_of(word.provider.id))
        return word.key
    raise fault("record_invalid", "a record of no known kind")


def addresses_of(contact: Contact) -> list[HostPort]:
    """Where a contact is reached, in canonical form. Raises RpcError ``record_invalid`` for what peers may not tell."""
    if not 1 <= len(contact.addresses) <= _MAX_ADDRESSES:
        raise fault("record_invalid", "1 to 4 addresses belong to a contact")
    addresses = [_address(text) for text in contact.addresses]
    return list(dict.fromkeys(addresses))


def _address(text: str) -> HostPort:
    parsed = HostPort.parse(text) if len(text) <= _MAX_ADDRESS_CHARACTERS else None
    try:
        host = ipaddress.ip_address("" if parsed is None else parsed.host)
    except ValueError as error:
        raise fault("record_invalid", "an address that is not an IP address and a port") from error
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
        host = host.ipv4_mapped
    packed = host.packed
    unusable = host.is_multicast or host.is_unspecified or "%" in text
    if unusable or (len(packed) == 4 and (packed[0] == 0 or packed == b"\xff\xff\xff\xff")):
        raise fault("record_invalid", "an address that no single machine has")
    return HostPort(str(host), 0 if parsed is None else parsed.port)


def _id_of(data: bytes) -> NodeId:
    try:
        return NodeId(data)
    except RpcError as error:
        raise fault("record_invalid", "a signer that is no node id") from error


def _check_value(value: bytes) -> None:
    if len(value) > MAX_VALUE_BYTES:
        raise over_limit("record_too_large", "a value", len(value), MAX_VALUE_BYTES)


def _check_signature(record: MutableRecord | ProviderRecord, signer: NodeId) -> None:
    if len(record.signature) != 64:
        raise fault("record_invalid", "a signature of another length than 64 bytes")
    if not verify(record.signature, signed_bytes(record), signer):
        raise fault("record_forged", "a signature that is not of the signer")
