"""Markdown to safe HTML, records to fragments and pages, times to text: the only place that escapes.

Whatever an editor types reaches a page through a Jinja2 template with autoescape on, or through `markdown` below,
whose output nh3 cleans against an allowlist.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from textwrap import shorten
from typing import Any

import nh3
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from live.model import Card, Notice, Promo, Story, Update, slugify, teaser_of

LABEL = re.compile(r".{1,60}:", re.DOTALL)
ALLOWED: dict[str, set[str]] = {
    "p": set(), "strong": {"class"}, "em": set(), "a": {"href"}, "ul": set(), "ol": {"start"}, "li": set(),
    "h3": set(), "h4": set(), "blockquote": set(), "footer": set(), "code": set(), "pre": set(), "hr": set(),
    "br": set(), "s": set(),
}  # fmt: skip
SCHEMES = {"http", "https", "mailto"}
IN_FEEDS = ALLOWED | {
    "strong": set(), "figure": set(), "figcaption": set(), "img": {"src", "alt", "width", "height"},
}  # fmt: skip
TITLE_LENGTH = 110
"""Characters of a headline that is made from an update's text."""


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("strikethrough").disable("image")
    parser.core.ruler.push("lead_in_labels", lambda state: _mark_labels(state.tokens))
    parser.core.ruler.push("attributions", lambda state: _mark_attributions(state.tokens))
    parser.core.ruler.push("modest_headings", lambda state: _lower_headings(state.tokens))
    return parser


def _mark_labels(tokens: Sequence[Token]) -> None:
    """Bold text that opens a paragraph and ends in a colon ("**Why it matters:**") becomes a label."""
    for before, inline in pairwise(tokens):
        if before.type != "paragraph_open" or inline.type != "inline":
            continue
        children = [child for child in inline.children or [] if child.type != "text" or child.content]
        if len(children) >= 3 and children[0].type == "strong_open" and LABEL.fullmatch(children[1].content):
            children[0].attrSet("class", "label")


def _mark_attributions(tokens: list[Token]) -> None:
    """The last paragraph of a quotation becomes its footer when it begins with a dash ("— Name, role")."""
    for index, token in enumerate(tokens[3:], 3):
        if token.type != "blockquote_close":
            continue
        opening, inline, closing = tokens[index - 3 : index]
        if opening.type == "paragraph_open" and inline.content.startswith(("— ", "-- ")):
            opening.tag = closing.tag = "footer"
            if inline.content.startswith("-- ") and inline.children:
                inline.children[0].content = "—" + inline.children[0].content.removeprefix("--")


def _lower_headings(tokens: Sequence[Token]) -> None:
    """Headings of a body rank below the headlines of the page."""
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = "h3" if token.tag in ("h1", "h2", "h3") else "h4"


PARSER = _parser()


def markdown(text: str) -> Markup:
    """Markdown (CommonMark, no HTML, no images) as safe HTML with lead-in labels and attributed quotations."""
    html = nh3.clean(
        PARSER.render(text),
        tags=set(ALLOWED),
        attributes={tag: attributes for tag, attributes in ALLOWED.items() if attributes},
        url_schemes=SCHEMES,
        link_rel="noopener",
    )
    return Markup(html)


def teaser(card: Card) -> Markup:
    """A card's teaser as safe HTML."""
    return markdown(card.teaser)


def plain(text: str) -> str:
    """Markdown as plain text, a line for each paragraph, item and heading. It is not escaped."""
    blocks = (token for token in PARSER.parse(text) if token.type in ("inline", "fence", "code_block"))
    return "\n".join(" ".join(_words(block).split()) for block in blocks)


def _words(block: Token) -> str:
    if not block.children:
        return block.content
    return "".join(" " if child.type.endswith("break") else child.content for child in block.children)


def summary(body: str) -> str:
    """The beginning of a Markdown body as one line of plain text."""
    return " ".join(plain(teaser_of(body)).split())


def title_of(update: Update) -> str:
    """An update's headline, or its first words."""
    return update.headline or shorten(plain(update.body), TITLE_LENGTH, placeholder="…") or "Update"


def rfc3339(moment: datetime) -> str:
    """2026-11-22T20:26:00.123Z"""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def absolute(moment: datetime) -> str:
    """22 Nov 2026, 20:26 UTC"""
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment:%Y, %H:%M} UTC"


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


RIGHT_TO_LEFT = {"ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "ps", "sd", "syr", "ug", "ur", "yi"}
RIGHT_TO_LEFT_SCRIPTS = {"arab", "aran", "hebr", "nkoo", "syrc", "thaa"}


def direction(language: str) -> str:
    """`rtl` or `ltr`, by a BCP 47 tag: a script named in it goes before its language."""
    first, *others = language.lower().split("-")
    script = next((part for part in others if len(part) == 4 and part.isalpha()), None)
    if script is not None:
        return "rtl" if script in RIGHT_TO_LEFT_SCRIPTS else "ltr"
    return "rtl" if first in RIGHT_TO_LEFT else "ltr"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("live"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        markdown=markdown, teaser=teaser, absolute=absolute, rfc3339=rfc3339, direction=direction, title_of=title_of
    )
    environment.globals.update(slugify=slugify)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}  # in the order of the records
    return environment


TEMPLATES = _environment()


def page(template: str, static: Callable[[str], str], **context: Any) -> str:
    """A whole page; `static` gives the address of a static file."""
    return TEMPLATES.get_template(template).render(static=static, **context)


def story_fragment(story: Story) -> str:
    """A story as its page shows it."""
    return TEMPLATES.get_template("fragments/story.html").render(story=story)


def update_fragment(update: Update) -> str:
    """An update, or what remains of a retracted one."""
    return TEMPLATES.get_template("fragments/update.html").render(update=update)


def story_content(story: Story, address: str) -> str:
    """A story for other programs: bare HTML, its links made absolute by the story's own address."""
    return _content("feeds/story.html", address, story=story)


def update_content(update: Update, address: str) -> str:
    """An update for other programs, as `story_content`."""
    return _content("feeds/update.html", address, update=update)


def _content(template: str, address: str, **context: Any) -> str:
    return nh3.clean(
        TEMPLATES.get_template(template).render(**context),
        tags=set(IN_FEEDS),
        attributes={tag: attributes for tag, attributes in IN_FEEDS.items() if attributes},
        url_schemes=SCHEMES,
        url_relative=("rewrite_with_base", address),
        link_rel="noopener",
    ).strip()


def card_fragment(card: Card) -> str:
    """A story in the stream of stories."""
    return TEMPLATES.get_template("fragments/card.html").render(card=card)


def notice_fragment(notice: Notice) -> str:
    """The breaking notice."""
    return TEMPLATES.get_template("fragments/notice.html").render(notice=notice)


def promo_fragment(promo: Promo) -> str:
    """The promo strip."""
    return TEMPLATES.get_template("fragments/promo.html").render(promo=promo)
