"""An HTML page as a tree, for tests that ask what is on it rather than what its source looks like."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Element:
    """A tag with its attributes and what is in it, in order."""

    def __init__(self, tag: str, attributes: dict[str, str], parent: Element | None) -> None:
        self.tag = tag
        self.attributes = attributes
        self.parent = parent
        self.content: list[Element | str] = []

    def __iter__(self) -> Iterator[Element]:
        """Every element inside, in document order."""
        for item in self.content:
            if isinstance(item, Element):
                yield item
                yield from item

    @property
    def text(self) -> str:
        """The words in it, with single spaces."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for item in self.content:
            if isinstance(item, str):
                yield item
            else:
                yield from item._texts()

    def all(self, selector: str) -> list[Element]:
        """Elements that fit `tag`, `.class`, `#id` or `tag.class`."""
        return [element for element in self if element.fits(selector)]

    def one(self, selector: str) -> Element:
        found = self.all(selector)
        assert len(found) == 1, f"{len(found)} of {selector} in <{self.tag}>: {self.text[:200]}"
        return found[0]

    def fits(self, selector: str) -> bool:
        if selector.startswith("#"):
            return self.attributes.get("id") == selector[1:]
        tag, _, name = selector.partition(".")
        classes = self.attributes.get("class", "").split()
        return (not tag or self.tag == tag) and (not name or name in classes)

    def texts(self, selector: str) -> list[str]:
        return [element.text for element in self.all(selector)]


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.at = Element("", {}, None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self.at)
        self.at.content.append(element)
        if tag not in VOID:
            self.at = element

    def handle_endtag(self, tag: str) -> None:
        opened: Element | None = self.at
        while opened is not None and opened.tag != tag:
            opened = opened.parent
        if opened is not None and opened.parent is not None:
            self.at = opened.parent

    def handle_data(self, data: str) -> None:
        self.at.content.append(data)


def parse(html: str) -> Element:
    """The page's tree; its root has no tag."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    return builder.root
