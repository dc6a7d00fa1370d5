"""What the server writes is HTML by the rules: html-validate's recommended ones, but for those of .htmlvalidate.json.

Switched off there, since they are matters of style: how a doctype is written; white space at the end of a line, which
templates leave behind; and that the types of buttons and fields are written where they are what HTML takes them for.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import tools
from tests.conftest import StartNode, editor_of, make_token
from tests.node import Node, eventually
from tests.web.desk import browser, new_holder, signed_in
from tests.web.samples import NOTICE, PROMO, PUBLIC_URL, STORY, accepted, create, patch, post, retract, update_path

ROOT = Path(__file__).parent.parent.parent
VALIDATOR = ROOT / "node_modules" / "html-validate" / "bin" / "html-validate.mjs"
ENOUGH_FOR_PARTS = 51
NOWHERE = "/story/no-such"


def findings(directory: Path) -> list[str]:
    """What the validator says of the pages in a directory, one line each."""
    command = [*tools.node_program("node"), str(VALIDATOR), "--config", str(ROOT / ".htmlvalidate.json")]
    said = directory.with_suffix(".json")  # a pipe would get no more than it holds when the program ends
    done = subprocess.run([*command, "--formatter", f"json={said}", str(directory)], check=False)
    assert done.returncode in (0, 1)
    return [
        f"{Path(page['filePath']).name}:{message['line']} {message['ruleId']}: {message['message']}"
        for page in json.loads(said.read_text())
        for message in page["messages"]
    ]


def save(client: httpx.Client, directory: Path, paths: list[str]) -> None:
    for path in paths:
        answer = client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == (404 if path == NOWHERE else 200), path
        assert answer.headers["content-type"].startswith("text/html"), path
        name = path.strip("/").replace("/", "-").partition("?")[0] or "front"
        (directory / f"{len(list(directory.iterdir()))}-{name}.html").write_text(answer.text)


@pytest.fixture
def site_and_admin(start_node: StartNode, valkey: str) -> Iterator[tuple[Node, httpx.Client]]:
    node = start_node(public_url=PUBLIC_URL)  # what search engines and feeds are told is on the pages then
    with editor_of(node, make_token(valkey, node.site, "admin")) as admin:
        yield node, admin


def every_kind(client: httpx.Client) -> str:
    """A story with every kind of update, longer than a page; returns its slug."""
    slug = str(create(client, slug="norwick")["slug"])
    for number in range(ENOUGH_FOR_PARTS):
        post(client, slug, headline=None, image=None, keyEvent=number % 10 == 0, body=f"Number {number}.")
    post(client, slug, pinned=True, body=STORY["body"])
    corrected = post(client, slug)
    patch(client, update_path(corrected), correction="It said ten.")
    for pinned in (True, False):
        retract(client, post(client, slug, pinned=pinned))
    post(client, slug, by=None, headline='<b>"Quoted" & odd</b>', body="`code`\n\n1. one\n2. two\n\n---\n\n## Heading")
    return slug


def test_every_page_keeps_the_rules(site_and_admin: tuple[Node, httpx.Client], valkey: str, tmp_path: Path) -> None:
    node, admin = site_and_admin
    pages = tmp_path / "pages"
    pages.mkdir()
    save(admin, pages, ["/"])  # of an empty site
    create(admin, by=None, image=None, related=None, notice=None, language="ar")
    slug = every_kind(admin)
    accepted(admin.put("/api/notice", json=NOTICE))
    accepted(admin.put("/api/promo", json=PROMO))
    story = f"/story/{slug}"
    part = eventually(lambda: _older(admin.get(story).text))
    save(admin, pages, ["/", "/section/world", story, story + part, f"{story}/embed", NOWHERE])
    post(admin, slug, pubStatus="withheld", body="A draft.")
    with browser(node) as somebody:
        save(somebody, pages, ["/desk/sign-in"])
        signed_in(somebody, new_holder(valkey, node.site, "admin"))
        desk = ["/desk", "/desk/stories/new", f"/desk/stories/{slug}", "/desk/notices", "/desk/audit", "/desk/tokens"]
        save(somebody, pages, desk)
    found = findings(pages)
    assert not found, "\n".join(found)


def _older(html: str) -> str:
    for part in (
        "notice ",
        "promo",
        "key-events",
        "withdrawal",
        "correction",
        "update update-key update-pinned",
        "figure",
    ):
        assert f'class="{part}' in html, part
    assert "odd" in html  # the last that was posted
    _, found, rest = html.partition("?before=")
    assert found
    return "?before=" + rest.partition('"')[0]


MISTAKES = ["<p><div></div></p>", '<a href="/"><button>both</button></a>', "<p id=a></p><p id=a></p>"]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found(tmp_path: Path, mistake: str) -> None:
    page = f'<!doctype html>\n<html lang="en"><head><title>Page</title></head><body>{mistake}</body></html>\n'
    for name, html in (("wrong", page), ("right", page.replace(mistake, "<p>Text</p>"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "page.html").write_text(html)
    assert findings(tmp_path / "wrong")
    assert not findings(tmp_path / "right")
