"""dswarm: typed RPC between peers named by their public keys, and a Kademlia DHT.

async with dswarm.connect("dswarm://KEY@HOST:PORT") as connection:
    answer = await EchoServiceClient(connection).echo(EchoRequest(payload=b"hello"), timeout=1)
"""

from .call import StreamCall, UnaryCall
from .connect import connect
from .connection import Connection
from .errors import Code, RpcError
from .keys import KeyPair, load_or_create_key_file
from .limits import Limits
from .node_id import NodeId
from .peer_address import HostPort, PeerAddress
from .serve import ServerContext

__all__ = [
    "Code",
    "Connection",
    "HostPort",
    "KeyPair",
    "Limits",
    "NodeId",
    "PeerAddress",
    "RpcError",
    "ServerContext",
    "StreamCall",
    "UnaryCall",
    "connect",
    "load_or_create_key_file",
]
