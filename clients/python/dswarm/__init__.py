"""dswarm: typed RPC between peers named by their public keys, and a Kademlia DHT.

async with dswarm.connect("dswarm://KEY@HOST:PORT") as connection:
    answer = await EchoServiceClient(connection).echo(EchoRequest(payload=b"hello"), timeout=1)
"""

from .call import StreamCall, UnaryCall
from .connect import connect
from .connection import Connection
from .dht import Dht, Published, Value
from .discovery import Discovery, discover
from .errors import Code, RpcError
from .health import Health
from .interceptor import CallInfo, Handler, Interceptor, ServerInterceptor, Start
from .keys import KeyPair, load_or_create_key_file
from .limits import Limits
from .memory import MemoryBudget
from .node_id import NodeId
from .peer_address import HostPort, PeerAddress
from .record import key_of_name
from .reflection import Reflection
from .serve import ServerContext
from .swarm import Peer, Swarm

__all__ = [
    "CallInfo",
    "Handler",
    "Health",
    "Interceptor",
    "Peer",
    "ServerInterceptor",
    "Start",
    "Swarm",
    "Code",
    "Connection",
    "Dht",
    "Discovery",
    "HostPort",
    "KeyPair",
    "Limits",
    "MemoryBudget",
    "NodeId",
    "PeerAddress",
    "Published",
    "Reflection",
    "RpcError",
    "ServerContext",
    "StreamCall",
    "UnaryCall",
    "Value",
    "connect",
    "discover",
    "key_of_name",
    "load_or_create_key_file",
]
