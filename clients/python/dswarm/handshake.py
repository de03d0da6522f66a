"""Secret Handshake, version 1: what each end sends and checks. No input or output here.

dialer    hello (64) ─►       ◄─ hello (64)    listener
          auth (112) ─►       ◄─ accept (80)
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from hashlib import sha256

from nacl.bindings import (
    crypto_scalarmult,
    crypto_scalarmult_base,
    crypto_secretbox_easy,
    crypto_secretbox_open_easy,
    crypto_sign_ed25519_pk_to_curve25519,
    crypto_sign_ed25519_sk_to_curve25519,
    randombytes,
    sodium_memcmp,
)
from nacl.exceptions import CryptoError

from .errors import RpcError, fault
from .keys import KeyPair, verify
from .node_id import NodeId

HELLO_BYTES = 64
AUTH_BYTES = 112
ACCEPT_BYTES = 80
_ZERO_NONCE = bytes(24)
_P = 2**255 - 19
# u coordinates of the points of small order (https://cr.yp.to/ecdh.html#validate), reduced modulo p.
_SMALL_ORDER_U = frozenset(
    {
        0,
        1,
        _P - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a handshake yields: the proven peer, and keys (32 bytes) and first nonces (24 bytes) of the box stream."""

    remote: NodeId
    send_key: bytes = field(repr=False)
    send_nonce: bytes = field(repr=False)
    receive_key: bytes = field(repr=False)
    receive_nonce: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Step:
    """What to do after some bytes have come: send something, and go on with the secrets once they are there."""

    send: bytes = b""
    secrets: Secrets | None = None
    rest: bytes = field(default=b"", repr=False)
    """Came behind the handshake: the beginning of the peer's box stream."""


def _mac(network_key: bytes, data: bytes) -> bytes:
    # crypto_auth of libsodium: HMAC-SHA-512, its first 32 bytes; not HMAC with SHA-512/256.
    return hmac.digest(network_key, data, "sha512")[:32]


def _sha256(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


class Handshake(ABC):
    """One end of a handshake, used once. ``push`` raises RpcError, after which the connection is to be closed."""

    _expected = HELLO_BYTES

    def __init__(self, keys: KeyPair, network_key: bytes, *, ephemeral_secret: bytes | None = None) -> None:
        """``ephemeral_secret`` (32 bytes, X25519) is for tests alone: each handshake needs a fresh one."""
        self._keys = keys
        self._network_key = network_key
        self._secret = randombytes(32) if ephemeral_secret is None else ephemeral_secret
        self._public = crypto_scalarmult_base(self._secret)
        self._curve_secret = crypto_sign_ed25519_sk_to_curve25519(keys.secret_key)
        self._inbox = bytearray()
        self._other = b""
        self._ab = b""
        self._a_identity_b = b""

    @abstractmethod
    def start(self) -> bytes:
        """What to send before anything has come."""

    @abstractmethod
    def _take(self, message: bytes, rest: bytes) -> Step:
        """Takes a whole message, and what came behind it."""

    def push(self, data: bytes) -> Step:
        """Takes bytes, however they are split. Not to be called after the secrets or an error."""
        missing = self._expected - len(self._inbox)
        self._inbox += data[:missing]
        if len(self._inbox) < self._expected:
            return Step()
        message = bytes(self._inbox)
        self._inbox.clear()
        return self._take(message, data[missing:])

    def hang_up(self) -> RpcError:
        """What it means that the other end closes the connection now."""
        return fault("handshake_truncated", "the connection ended within the handshake")

    def _hello(self) -> bytes:
        return _mac(self._network_key, self._public) + self._public

    def _take_hello(self, hello: bytes, rest: bytes) -> None:
        mac, public = hello[:32], hello[32:]
        if (int.from_bytes(public, "little") & (2**255 - 1)) % _P in _SMALL_ORDER_U:
            raise fault("hello_low_order", "the hello carries an ephemeral key of low order")
        # What follows a hello depends on the answer to it, which has not been sent yet.
        if rest or not sodium_memcmp(mac, _mac(self._network_key, public)):
            raise fault("hello_invalid", "the hello is not of this network, or not a hello")
        self._other = public
        self._ab = _multiply(self._secret, public)

    def _secrets(self, box_key: bytes, remote: NodeId) -> Secrets:
        shared = _sha256(box_key)
        return Secrets(
            remote=remote,
            send_key=_sha256(shared, remote.data),
            send_nonce=_mac(self._network_key, self._other)[:24],
            receive_key=_sha256(shared, self._keys.id.data),
            receive_nonce=_mac(self._network_key, self._public)[:24],
        )


class DialerHandshake(Handshake):
    """The dialer's end: it knows the listener's key."""

    def __init__(self, keys: KeyPair, network_key: bytes, remote: NodeId, *, ephemeral_secret: bytes | None = None) -> None:
        super().__init__(keys, network_key, ephemeral_secret=ephemeral_secret)
        self._remote = remote
        self._proof = b""

    def start(self) -> bytes:
        return self._hello()

    def hang_up(self) -> RpcError:
        return super().hang_up() if self._expected == HELLO_BYTES else _refused()

    def _take(self, message: bytes, rest: bytes) -> Step:
        if self._expected == HELLO_BYTES:
            self._take_hello(message, rest)
            self._expected = ACCEPT_BYTES
            return Step(send=self._auth())
        return Step(secrets=self._finish(message), rest=rest)

    def _auth(self) -> bytes:
        self._a_identity_b = _multiply(self._secret, _to_curve(self._remote))
        signature = self._keys.sign(self._network_key + self._remote.data + _sha256(self._ab))
        self._proof = signature + self._keys.id.data
        key = _sha256(self._network_key, self._ab, self._a_identity_b)
        return crypto_secretbox_easy(self._proof, _ZERO_NONCE, key)

    def _finish(self, accept: bytes) -> Secrets:
        identity_a_b = _multiply(self._curve_secret, self._other)
        key = _sha256(self._network_key, self._ab, self._a_identity_b, identity_a_b)
        signature = _unbox(accept, key)
        if not verify(signature, self._network_key + self._proof + _sha256(self._ab), self._remote):
            raise _refused()
        return self._secrets(key, self._remote)


class ListenerHandshake(Handshake):
    """The listener's end: it learns the dialer's key."""

    def start(self) -> bytes:
        return b""

    def _take(self, message: bytes, rest: bytes) -> Step:
        if self._expected == HELLO_BYTES:
            self._take_hello(message, rest)
            self._expected = AUTH_BYTES
            return Step(send=self._hello())
        accept, secrets = self._accept(message)
        return Step(send=accept, secrets=secrets, rest=rest)

    def _accept(self, auth: bytes) -> tuple[bytes, Secrets]:
        self._a_identity_b = _multiply(self._curve_secret, self._other)
        proof = _unbox(auth, _sha256(self._network_key, self._ab, self._a_identity_b))
        try:
            remote = NodeId(proof[64:])
        except RpcError as error:
            raise _refused() from error
        if not verify(proof[:64], self._network_key + self._keys.id.data + _sha256(self._ab), remote):
            raise _refused()
        if remote == self._keys.id:
            raise fault("self_connection", "a node does not connect to itself")
        key = _sha256(self._network_key, self._ab, self._a_identity_b, _multiply(self._secret, _to_curve(remote)))
        signature = self._keys.sign(self._network_key + proof + _sha256(self._ab))
        return crypto_secretbox_easy(signature, _ZERO_NONCE, key), self._secrets(key, remote)


def _to_curve(identity: NodeId) -> bytes:
    try:
        return crypto_sign_ed25519_pk_to_curve25519(identity.data)
    except (CryptoError, RuntimeError) as error:
        raise _refused() from error


def _multiply(secret: bytes, public: bytes) -> bytes:
    try:
        return crypto_scalarmult(secret, public)
    except (CryptoError, RuntimeError) as error:
        raise _refused() from error


def _unbox(data: bytes, key: bytes) -> bytes:
    try:
        return crypto_secretbox_open_easy(data, _ZERO_NONCE, key)
    except (CryptoError, ValueError) as error:
        raise _refused() from error


def _refused() -> RpcError:
    return fault("authentication_failed", "the peer does not hold the expected key, or refuses ours")
