"""The types of fields: what each takes at the door."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

T = TypeVar("T")
SLUG = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is beyond the calendar") from None


def _written(value: Any) -> Any:
    """Numbers are no times on our wire, though they could be read as some."""
    if isinstance(value, int | float):
        raise ValueError("must be a time as RFC 3339 writes it: 2026-01-31T18:30:00Z")
    return value


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _link_target(url: str) -> str:
    """Web addresses and paths of this site only: no script, no data, no protocol-relative surprise."""
    if not re.fullmatch(r"(?:https?://[^\s/][^\s]*|/(?!/)[^\s\\]*)", url, re.IGNORECASE):
        raise ValueError("must be an http(s) URL or a path that starts with one slash")
    return url


def without_repeats(items: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))


Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]
Flag = Annotated[bool, Field(strict=True)]
Slug = Annotated[str, StringConstraints(pattern=SLUG, max_length=80)]
UpdateID = Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{16}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), AfterValidator(_one_line)]
Body = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100_000)]
Target = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(_link_target)]
Section = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=60, pattern=r"[A-Za-z0-9]"),
    AfterValidator(_one_line),
]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$", max_length=35)]
Urgency = Annotated[int, Field(ge=1, le=9, strict=True)]
PubStatus = Literal["usable", "withheld", "canceled"]
