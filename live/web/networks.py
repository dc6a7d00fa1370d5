"""Addresses and networks as settings name them: 127.0.0.1, 10.0.0.0/8, ::1."""

import ipaddress
from functools import lru_cache


class Networks:
    """A set of addresses.

    Args:
        text: addresses and networks, separated by commas; what is neither (a name) stands for nothing.
        least: a text that stands for nothing as a whole: '*' where 'anybody' is too many.
    """

    def __init__(self, text: str, least: str = "") -> None:
        self._networks = [] if text.strip() == least else [*map(_parsed, filter(None, map(str.strip, text.split(","))))]
        self._holds = lru_cache(maxsize=4096)(self._search)

    def __contains__(self, address: object) -> bool:
        return isinstance(address, str) and self._holds(address)

    def _search(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
        return any(network is not None and (mapped or parsed) in network for network in self._networks)


def _parsed(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
