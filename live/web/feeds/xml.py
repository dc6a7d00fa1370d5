"""XML by the standard library, which escapes. feedgen knows no tombstones, and nothing else here would need lxml.

Names are written with their prefixes: ElementTree's own namespaces would need a registry that all documents share.
"""

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot carry, however they are written."""


def root(name: str, **namespaces: str) -> Element:
    """The outermost element; `namespaces` by prefix, the default one as `xmlns`."""
    return Element(name, {"xmlns" if prefix == "xmlns" else f"xmlns:{prefix}": at for prefix, at in namespaces.items()})


def add(parent: Element, name: str, text: str = "", attributes: dict[str, str] | None = None) -> Element:
    """A new element at the end of `parent`, with any text: what XML cannot carry is left out."""
    given = {key: NOT_XML.sub("", value) for key, value in (attributes or {}).items()}
    child = ElementTree.SubElement(parent, name, given)
    child.text = NOT_XML.sub("", text) or None
    return child


def document(element: Element) -> bytes:
    """The whole document in UTF-8."""
    return bytes(ElementTree.tostring(element, encoding="utf-8", xml_declaration=True))
