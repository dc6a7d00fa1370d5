"""The hot path: from one entry to the sockets of all readers."""

from live.fanout.hub import Hub
from live.fanout.protocol import LEND, HTTPProtocol, Lender, WebSocketProtocol
from live.fanout.reader import Reader
from live.fanout.websocket import CloseCode

__all__ = ["LEND", "CloseCode", "HTTPProtocol", "Hub", "Lender", "Reader", "WebSocketProtocol"]
