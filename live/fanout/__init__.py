"""The hot path: from one entry to the sockets of all readers."""

from live.fanout.connections import CONNECTIONS, Connections, Limits, TokenBucket
from live.fanout.drain import drain
from live.fanout.http_protocol import HTTPProtocol
from live.fanout.hub import Hub
from live.fanout.lending import LEND, Lender
from live.fanout.reader import Reader
from live.fanout.websocket import CloseCode
from live.fanout.websocket_protocol import WebSocketProtocol

__all__ = [
    "CONNECTIONS",
    "LEND",
    "CloseCode",
    "Connections",
    "HTTPProtocol",
    "Hub",
    "Lender",
    "Limits",
    "Reader",
    "TokenBucket",
    "WebSocketProtocol",
    "drain",
]
