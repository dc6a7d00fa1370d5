"""Moments, slugs, IDs and teasers: small things made from text and time."""

import re
import secrets
import unicodedata
from datetime import UTC, datetime

BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's alphabet: sorts as it counts, no look-alikes


def now() -> datetime:
    """The present time in UTC, to the millisecond (what the wire carries)."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def millis(moment: datetime) -> int:
    """Milliseconds since the epoch."""
    return int(moment.timestamp() * 1000)


def slugify(text: str, limit: int = 80) -> str:
    """The text as lower-case ASCII words joined by hyphens, at most `limit` characters; may be empty."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", ascii_text.lower().replace("'", ""))
    slug = ""
    for word in words:
        if len(slug) + len(word) + 1 > limit:
            break
        slug = f"{slug}-{word}" if slug else word
    return slug or "-".join(words)[:limit].strip("-")


def teaser_of(body: str, limit: int = 420) -> str:
    """The first one or two plain paragraphs of a Markdown body, as Markdown, cut between words at `limit`."""
    plain = [p.strip() for p in re.split(r"\n\s*\n", body) if not re.match(r"\s*(?:[-*+>#|`]|\d+[.)])(?!\*)", p)]
    teaser = plain[0] if plain else ""
    if len(plain) > 1 and len(teaser) + len(plain[1]) <= limit:
        return f"{teaser}\n\n{plain[1]}"
    if len(teaser) <= limit:
        return teaser
    return _without_open_marks(teaser[:limit].rsplit(None, 1)[0]).rstrip(" .,;:") + "…"


def _without_open_marks(text: str) -> str:
    """The Markdown up to the first mark (emphasis, code, link) that a cut left open."""
    if text.rfind("[") > text.rfind(")"):
        text = text[: text.rfind("[")]
    for mark in ("`", "**", "__", "*", "_"):
        if text.count(mark) % 2:
            text = text[: text.rfind(mark)]
    return text


def new_update_id(moment: datetime) -> str:
    """An ID that sorts by time: 10 characters of milliseconds, 6 of chance."""
    number = millis(moment)
    time_part = "".join(BASE32[number >> shift & 31] for shift in range(45, -5, -5))
    return time_part + "".join(BASE32[byte & 31] for byte in secrets.token_bytes(6))
