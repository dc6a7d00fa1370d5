"""Who sees which page of the desk: those who are signed in, with the role that the page needs."""

from typing import Any, cast

import httpx
import pytest

from live.model import Role
from live.web.desk import Desk
from tests.node import Node
from tests.web.desk import browser, new_holder, signed_in
from tests.web.samples import create

ROLES: tuple[Role, ...] = ("reporter", "editor", "admin")
LOWEST: dict[str, Role] = {
    "/desk": "reporter",
    "/desk/stories/new": "reporter",
    "/desk/stories/{slug}": "reporter",
    "/desk/stories/{slug}/updates": "reporter",
    "/desk/notices": "reporter",
    "/desk/audit": "admin",
    "/desk/tokens": "admin",
}


@pytest.fixture
def slug(editor: httpx.Client) -> str:
    return str(create(editor)["slug"])


def test_the_table_has_every_page() -> None:
    nothing = cast(Any, None)
    assert set(LOWEST) == {route.path for route in Desk(nothing, nothing, nothing).routes()}


@pytest.mark.parametrize("path", LOWEST)
def test_who_is_not_signed_in_is_sent_to_do_so(server: Node, slug: str, path: str) -> None:
    with browser(server) as nobody:
        for address in (path.format(slug=slug), path.format(slug="no-such-story")):
            answer = nobody.get(address)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/desk/sign-in")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_sees_its_pages_and_no_other(server: Node, valkey: str, slug: str, role: Role) -> None:
    with browser(server) as somebody:
        signed_in(somebody, new_holder(valkey, server.site, role))
        for path, lowest in LOWEST.items():
            answer = somebody.get(path.format(slug=slug))
            allowed = ROLES.index(role) >= ROLES.index(lowest)
            assert answer.status_code == (200 if allowed else 403), path
            assert answer.headers["cache-control"] == "no-store"
