"""Markdown as safe HTML, and moments as words."""

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from live.model import teaser_of
from live.render import absolute, markdown, rfc3339
from tests.web.document import parse


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Words.", "<p>Words.</p>"),
        ("*a* **b** ~~c~~ `d`", "<p><em>a</em> <strong>b</strong> <s>c</s> <code>d</code></p>"),
        ("**Why it matters:** Much.", '<p><strong class="label">Why it matters:</strong> Much.</p>'),
        ("Later, **not a label:** no.", "<p>Later, <strong>not a label:</strong> no.</p>"),
        ("**No colon** here.", "<p><strong>No colon</strong> here.</p>"),
        (f"**{'x' * 61}:** long.", f"<p><strong>{'x' * 61}:</strong> long.</p>"),
        ("One.\n\nTwo.", "<p>One.</p>\n<p>Two.</p>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>'),
        ("# A\n\n## B\n\n### C\n\n#### D\n\n###### E", "<h3>A</h3>\n<h3>B</h3>\n<h3>C</h3>\n<h4>D</h4>\n<h4>E</h4>"),
        ("> Said.\n>\n> — Ada", "<blockquote>\n<p>Said.</p>\n<footer>— Ada</footer>\n</blockquote>"),
        ("> Said.\n>\n> -- Ada", "<blockquote>\n<p>Said.</p>\n<footer>— Ada</footer>\n</blockquote>"),
        ("> Said.\n>\n> More.", "<blockquote>\n<p>Said.</p>\n<p>More.</p>\n</blockquote>"),
        ("— Ada", "<p>— Ada</p>"),
        ("a & b < c", "<p>a &amp; b &lt; c</p>"),
        ("[a](https://a.example/b?c=1&d=2)", '<p><a href="https://a.example/b?c=1&amp;d=2" rel="noopener">a</a></p>'),
        ("[a](/story/b#u-1)", '<p><a href="/story/b#u-1" rel="noopener">a</a></p>'),
        ("<https://a.example>", '<p><a href="https://a.example" rel="noopener">https://a.example</a></p>'),
        ("[a](mailto:desk@a.example)", '<p><a href="mailto:desk@a.example" rel="noopener">a</a></p>'),
        ("", ""),
    ],
)
def test_markdown_becomes_this_html(text: str, html: str) -> None:
    assert str(markdown(text)).strip() == html


@pytest.mark.parametrize("label", ["What's happening:", "What they're saying:", "Go deeper:", "The big picture:"])
def test_a_label_may_open_any_paragraph(label: str) -> None:
    page = parse(markdown(f"First.\n\n**{label}** Second.\n\n- **{label}** in a list\n\n> **{label}** quoted"))
    assert page.texts("strong.label")[0] == label
    assert all(element.text == label for element in page.all("strong"))


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "<div onclick='x'>\n\nwords\n\n</div>",
        "<!-- a comment -->",
        "<style>p { color: red }</style>",
        "<iframe src='//evil.example'></iframe>",
        "<p class='label'>x</p>",
    ],
)
def test_raw_html_is_shown_as_text(text: str) -> None:
    page = parse(markdown(text))
    assert {element.tag for element in page} <= {"p"}
    assert all(element.attributes == {} for element in page)
    assert "".join(text.split()) == "".join(page.text.split())


def test_images_are_not_passed() -> None:
    html = markdown("![alt](https://a.example/b.png) and ![c][d]\n\n[d]: /e.png")
    assert "<img" not in html
    assert "alt" in html


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java&#x0A;script:alert(1)",
        "&#106;avascript:alert(1)",
        "&#x01;javascript:alert(1)",
        "vbscript:x",
        "data:text/html,x",
        "data:text/html;base64,PHNjcmlwdD4=",
        "file:///etc/passwd",
        "blob:x",
        "ftp://a.example",
    ],
)
@pytest.mark.parametrize("form", ["[x]({})", "<{}>", "[x][y]\n\n[y]: {}"])
def test_dangerous_links_are_dropped(form: str, target: str) -> None:
    for link in parse(markdown(form.format(target))).all("a"):
        assert urlsplit(re.sub(r"[\x00-\x20]", "", link.attributes.get("href", ""))).scheme in ("", "http", "https")


@pytest.mark.parametrize("marked", ["**words in bold**", "*words in italics*", "[words of a link](https://a.example)"])
def test_a_teaser_that_is_cut_shows_no_marks(marked: str) -> None:
    for before in range(405, 420):
        text = parse(markdown(teaser_of(f"{'x' * before} {marked} and {'more ' * 20}"))).text
        assert not set("*[]()") & set(text)


TAGS = {
    "p", "strong", "em", "a", "ul", "ol", "li", "h3", "h4", "blockquote", "footer", "code", "pre", "hr", "br", "s",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "rel"}, "strong": {"class"}, "ol": {"start"}}
SCHEMES = {"", "http", "https", "mailto"}
PIECES = st.sampled_from(
    [
        *(
            "<script>",
            "</script>",
            "<img src=x onerror=alert(1)>",
            "<a href='",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<?",
        ),
        *(
            "[x](",
            "[y]: ",
            "[x][y]",
            "![",
            "]",
            "(",
            ")",
            "http://a.example/",
            "javascript:alert(1)",
            "data:text/html,",
        ),
        *("<", ">", '"', "'", "&", "&#x6a;", "&lt;", "\\", "`", "```\n", "**", "*", "_", "~~", ":", "a"),
        *("\n", "\n\n", "    ", "\t", "> ", "- ", "-- ", "— ", "1. ", "# ", "---", "99999999999999999999. "),
        *("\x00", "\u2028"),
    ]
)
MARKDOWN = st.lists(PIECES | st.text(max_size=5), max_size=40).map("".join)


class Checker(HTMLParser):
    """Fails at the first tag or attribute that an article's text may not have."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        for name, value in attrs:
            assert name in ATTRIBUTES.get(tag, set())
            if name == "href":
                assert urlsplit(re.sub(r"[\x00-\x20]", "", value or "")).scheme.lower() in SCHEMES
            if name == "class":
                assert value == "label"
            if name == "rel":
                assert value == "noopener"

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"a processing instruction: {data}")


@settings(max_examples=500, deadline=None)
@given(MARKDOWN)
@example("[x](//[)")
@example("<http://[>")
@example(">" * 3000)
@example("*" * 3000)
@example("[" * 3000)
@example("- " * 1000 + "a")
def test_whatever_is_typed_yields_only_what_is_allowed(text: str) -> None:
    checker = Checker(convert_charrefs=True)
    checker.feed(markdown(text))
    checker.close()


@settings(deadline=None)
@given(st.text())
def test_any_text_is_rendered(text: str) -> None:
    markdown(text)


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))
def test_a_moment_is_written_to_the_millisecond(moment: datetime) -> None:
    written = rfc3339(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", written)
    assert datetime.fromisoformat(written) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def test_moments_are_written_as_the_contract_with_the_page_says() -> None:
    cases = json.loads((Path(__file__).parent / "contract" / "time.json").read_text())["absolute"]
    assert cases
    for case in cases:
        assert absolute(datetime.fromisoformat(case["at"])) == case["text"]
