"""Dialing: from an address and a key to a link whose other end has proven that key."""

from __future__ import annotations

import asyncio
import os
import ssl

from .errors import RpcError, fault
from .handshake import DialerHandshake
from .keys import KeyPair
from .link import ChannelLink
from .peer_address import HostPort, PeerAddress
from .websocket import WebSocketDuplex

HANDSHAKE_SECONDS = 5.0


def _tls() -> ssl.SSLContext:
    # No certificate is checked: the Secret Handshake inside proves the key, which no certificate authority knows.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    return context


_TLS = _tls()


async def dial(address: PeerAddress, keys: KeyPair, network_key: bytes, *, timeout: float = HANDSHAKE_SECONDS) -> ChannelLink:
    """Dials a peer; ``timeout`` seconds are for all of it, from the first packet to the end of the handshake.

    Raises RpcError ``unreachable``, ``not_dswarm``, ``too_many_connections``, ``handshake_timeout``, ``hello_invalid`` (also where
    the peer is on another network), ``hello_low_order``, ``authentication_failed``, ``self_connection`` or a ``websocket_…`` code.
    """
    if address.id == keys.id:
        raise fault("self_connection", "a node does not connect to itself")
    attempt = _Attempt(address, keys, network_key)
    endpoint = address.endpoint
    try:
        async with asyncio.timeout(timeout):
            loop = asyncio.get_running_loop()
            await loop.create_connection(
                lambda: attempt.duplex, endpoint.host, endpoint.port, ssl=_TLS, server_hostname=endpoint.host
            )
            return await attempt.done
    except TimeoutError as error:
        attempt.duplex.abort()
        # The operating system may have given up before us.
        if error.errno is not None:
            raise _unreachable(endpoint, error) from error
        raise fault("handshake_timeout", f"no handshake within {timeout} s") from error
    except ssl.SSLError as error:
        raise fault("not_dswarm", str(error)) from error
    except (OSError, UnicodeError) as error:
        raise _unreachable(endpoint, error) from error
    except BaseException:
        attempt.duplex.abort()
        raise


def _unreachable(endpoint: HostPort, error: Exception) -> RpcError:
    # asyncio's own text has the number of the error and the address once more.
    number = error.errno if isinstance(error, OSError) else None
    why = getattr(error, "strerror", None) if number is None or number < 0 else os.strerror(number)
    return fault("unreachable", f"nothing answers at {endpoint}: {why or error}")


class _Attempt:
    """Shakes hands on a WebSocket; becomes a link."""

    def __init__(self, address: PeerAddress, keys: KeyPair, network_key: bytes) -> None:
        self._keys = keys
        self._handshake = DialerHandshake(keys, network_key, address.id)
        self.duplex = WebSocketDuplex(str(address.endpoint), self)
        self.done: asyncio.Future[ChannelLink] = asyncio.get_running_loop().create_future()

    def on_open(self) -> None:
        """Says hello."""
        self.duplex.send(self._handshake.start())

    def on_bytes(self, data: bytes) -> None:
        """Takes what the listener sends."""
        try:
            step = self._handshake.push(data)
        except RpcError as error:
            self.duplex.end(error)
            return
        if step.send:
            self.duplex.send(step.send)
        if step.secrets is not None:
            # In the same call: no byte may come between the handshake and the link.
            link = ChannelLink(self.duplex, self._keys.id, step.secrets, step.rest)
            if not self.done.done():
                self.done.set_result(link)

    def on_partial(self, size: int) -> None:
        """It has little time for that."""

    def on_room(self) -> None:
        """Little is sent here."""

    def on_ended(self, reason: RpcError | None) -> None:
        """The connection ended before there was a link."""
        if self.done.done():
            return
        if reason is None and self.duplex.is_going_away:
            reason = fault("unreachable", "it closes down")
        reason = reason or self._handshake.hang_up()
        if reason.reason == "handshake_truncated":
            # A listener does not say what is wrong with a hello.
            reason = fault("hello_invalid", "the peer hung up on our hello; it may be on another network")
        self.done.set_exception(reason)
