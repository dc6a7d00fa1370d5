"""Secrets that people and browsers carry: made of chance, stored as a hash only.

They have 256 bits of chance, so one SHA-256 is enough to keep them (slow hashes are for what people choose).
"""

import hashlib
import re
import secrets

SHAPE = re.compile(r"[0-9A-Za-z_-]{43}", re.ASCII)


def new_secret() -> str:
    """256 random bits, as 43 characters that may stand in an address or a cookie."""
    return secrets.token_urlsafe(32)


def is_secret(text: str) -> bool:
    """Whether this could be one of ours."""
    return SHAPE.fullmatch(text) is not None


def digest(text: str) -> str:
    """What is stored in place of a secret: SHA-256, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
