"""The editors' API: what each operation does, once, and what it answers."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import pytest
from redis import Redis

from live.journal import Keys
from tests.node import Node, eventually
from tests.web.samples import (
    NOTICE,
    PROMO,
    STORY,
    UPDATE,
    accepted,
    create,
    new_slug,
    patch,
    post,
    read,
    refused,
    retract,
    update_path,
)

T = TypeVar("T")


@pytest.fixture
def bare(admin: httpx.Client) -> Iterator[httpx.Client]:
    """An admin of a site without notice and promo strip, before and after."""

    def clear() -> None:
        for path in ("/api/notice", "/api/promo"):
            assert admin.delete(path).status_code in (204, 404)

    clear()
    yield admin
    clear()


def at_once(times: int, call: Callable[[int], T]) -> list[T]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(call, range(times)))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_new_story_is_answered_with_everything_that_was_sent(editor: httpx.Client) -> None:
    slug = new_slug()
    answer = editor.post("/api/stories", json={**STORY, "slug": slug})
    story = accepted(answer, 201)
    assert {**story, "body": STORY["body"]}.items() >= STORY.items()
    assert story["body"] == STORY["body"].strip()
    assert answer.headers["location"] == f"/api/stories/{slug}"
    assert answer.headers["live-cursor"]
    assert (story["version"], story["firstCreated"]) == (1, story["versionCreated"])
    assert read(editor, f"/api/stories/{slug}") == {**story, "updates": []}


def test_times_are_utc_and_near_the_present(editor: httpx.Client) -> None:
    story = create(editor)
    assert story["firstCreated"].endswith("Z")
    assert abs(datetime.now(UTC) - moment(story["firstCreated"])) < timedelta(seconds=30)


def test_a_story_without_a_slug_gets_one_from_its_headline(editor: httpx.Client) -> None:
    word = secrets.token_hex(4)
    story = create(editor, slug=None, headline=f"Łódź's Café: flood, {word}!")
    assert story["slug"] == f"odzs-cafe-flood-{word}"


def test_a_headline_without_latin_letters_still_gives_a_slug(editor: httpx.Client) -> None:
    story = create(editor, slug=None, headline="洪水")
    assert story["slug"].startswith("story-")
    assert read(editor, f"/api/stories/{story['slug']}")["headline"] == "洪水"


def test_a_patch_changes_the_fields_that_it_names_and_counts_the_version(editor: httpx.Client) -> None:
    story = create(editor)
    path = f"/api/stories/{story['slug']}"
    changed = patch(editor, path, headline="The water is falling", notice=None)
    assert changed["version"] == 2
    assert changed["headline"] == "The water is falling"
    assert "notice" not in changed
    expected = {**story, "headline": changed["headline"], "version": 2, "versionCreated": changed["versionCreated"]}
    del expected["notice"]
    assert changed == expected
    assert moment(changed["versionCreated"]) >= moment(story["versionCreated"])
    assert patch(editor, path, urgency=7)["version"] == 3
    assert read(editor, path)["version"] == 3


def test_the_list_has_the_story_changed_last_first(editor: httpx.Client) -> None:
    first, second = create(editor), create(editor)
    patch(editor, f"/api/stories/{first['slug']}", urgency=4)
    slugs = [story["slug"] for story in editor.get("/api/stories").json()["stories"]]
    assert slugs[:2] == [first["slug"], second["slug"]]


def test_a_story_moves_between_sections(editor: httpx.Client) -> None:
    here, there = f"Here {secrets.token_hex(3)}", f"There {secrets.token_hex(3)}"
    story = create(editor, sections=[here, here])
    assert story["sections"] == [here]
    headline = story["headline"]
    page = f"/section/{here.lower().replace(' ', '-')}"
    assert headline in eventually(lambda: editor.get(page).raise_for_status()).text
    patch(editor, f"/api/stories/{story['slug']}", sections=[there])
    eventually(lambda: editor.get(page).status_code == 404)
    assert headline in editor.get(f"/section/{there.lower().replace(' ', '-')}").text


def test_a_story_is_withheld_published_and_canceled(editor: httpx.Client) -> None:
    story = create(editor, pubStatus="withheld")
    page, path = f"/story/{story['slug']}", f"/api/stories/{story['slug']}"
    assert editor.get(page).status_code == 404
    assert patch(editor, path, pubStatus="usable")["pubStatus"] == "usable"
    eventually(lambda: editor.get(page).status_code == 200)
    patch(editor, path, pubStatus="withheld")
    eventually(lambda: editor.get(page).status_code == 404)
    patch(editor, path, pubStatus="canceled")
    eventually(lambda: editor.get(page).status_code == 410)
    assert read(editor, path)["version"] == 4
    patch(editor, path, pubStatus="usable")
    eventually(lambda: editor.get(page).status_code == 200)


def test_a_new_update_is_answered_with_everything_that_was_sent(editor: httpx.Client) -> None:
    story = create(editor)
    answer = editor.post(f"/api/stories/{story['slug']}/updates", json=UPDATE)
    update = accepted(answer, 201)
    assert update.items() >= UPDATE.items()
    assert (update["story"], update["version"], update["corrections"]) == (story["slug"], 1, [])
    assert answer.headers["location"] == update_path(update)
    assert read(editor, update_path(update)) == update
    assert read(editor, f"/api/stories/{story['slug']}")["updates"] == [update]


def test_an_update_leaves_the_version_of_its_story(editor: httpx.Client) -> None:
    story = create(editor)
    post(editor, story["slug"])
    assert read(editor, f"/api/stories/{story['slug']}")["version"] == 1


def test_updates_come_newest_first(editor: httpx.Client) -> None:
    slug = create(editor)["slug"]
    posted = [post(editor, slug, body=f"Number {number}.")["id"] for number in range(4)]
    assert [update["id"] for update in read(editor, f"/api/stories/{slug}")["updates"]] == posted[::-1]


def test_an_edit_without_a_note_is_silent(editor: httpx.Client) -> None:
    update = post(editor, create(editor)["slug"])
    edited = patch(editor, update_path(update), body="Buses leave from the station.")
    assert edited == {
        **update,
        "body": "Buses leave from the station.",
        "version": 2,
        "versionCreated": edited["versionCreated"],
    }


def test_corrections_keep_their_notes_in_order(editor: httpx.Client) -> None:
    update = post(editor, create(editor)["slug"])
    patch(editor, update_path(update), body="The first mend.", correction="It said north.")
    edited = patch(editor, update_path(update), correction="It said ten buses.")
    assert [correction["note"] for correction in edited["corrections"]] == ["It said north.", "It said ten buses."]
    assert edited["body"] == "The first mend."
    assert edited["firstCreated"] == update["firstCreated"]
    assert edited["corrections"][1]["at"] == edited["versionCreated"]
    assert "correction" not in edited


def test_a_draft_takes_its_place_when_it_goes_out(editor: httpx.Client) -> None:
    slug = create(editor)["slug"]
    draft = post(editor, slug, pubStatus="withheld")
    shown = post(editor, slug, body="Went out before the draft.")
    published = patch(editor, update_path(draft), pubStatus="usable")
    assert moment(published["firstCreated"]) >= moment(shown["firstCreated"])
    assert moment(published["firstCreated"]) > moment(draft["firstCreated"])
    assert [update["id"] for update in read(editor, f"/api/stories/{slug}")["updates"]] == [draft["id"], shown["id"]]


def test_a_retraction_wipes_every_word_of_the_update(editor: httpx.Client, server: Node, valkey: str) -> None:
    slug = create(editor)["slug"]
    word = secrets.token_hex(8)
    texts = {
        "headline": word,
        "body": word,
        "by": [{"name": word}],
        "edNote": word,
        "image": {"src": f"/{word}", "alt": word},
    }
    update = post(editor, slug, **texts)
    patch(editor, update_path(update), correction=word)
    remains = retract(editor, update, "The gauge was misread.")
    assert (remains["pubStatus"], remains["body"], remains["version"]) == ("canceled", "", 3)
    assert remains["retraction"] == {"reason": "The gauge was misread.", "at": remains["versionCreated"]}
    assert read(editor, update_path(update)) == remains
    assert word not in editor.get(f"/api/stories/{slug}").text
    with Redis.from_url(valkey, decode_responses=True) as redis:
        assert word not in str(redis.hgetall(Keys(server.site).of(f"updates:{slug}")))


def test_a_retracted_draft_leaves_nothing_for_readers(editor: httpx.Client) -> None:
    slug = create(editor)["slug"]
    remains = retract(editor, post(editor, slug, pubStatus="withheld"))
    assert "retraction" not in remains
    assert remains["id"] not in editor.get(f"/story/{slug}").text


def test_the_notice_is_put_replaced_and_cleared(bare: httpx.Client) -> None:
    first = accepted(bare.put("/api/notice", json=NOTICE))
    assert first.items() >= NOTICE.items()
    assert read(bare, "/api/notice") == first
    second = accepted(bare.put("/api/notice", json={"text": "The lock holds"}))
    assert second["version"] > first["version"]
    assert (second["text"], second["urgency"], "story" in second) == ("The lock holds", 2, False)
    assert bare.delete("/api/notice").status_code == 204
    refused(bare.get("/api/notice"), 404, "Not found")


def test_a_notice_keeps_its_end_in_utc(bare: httpx.Client) -> None:
    end = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    elsewhere = end.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    notice = accepted(bare.put("/api/notice", json={**NOTICE, "expires": elsewhere.isoformat()}))
    assert notice["expires"] == end.isoformat().replace("+00:00", "Z")


def test_a_cleared_notice_never_gets_an_old_version_again(bare: httpx.Client) -> None:
    first = accepted(bare.put("/api/notice", json=NOTICE))
    bare.delete("/api/notice")
    assert accepted(bare.put("/api/notice", json=NOTICE))["version"] > first["version"]


def test_the_promo_strip_is_put_replaced_and_removed(bare: httpx.Client) -> None:
    first = accepted(bare.put("/api/promo", json=PROMO))
    assert first.items() >= PROMO.items()
    second = accepted(bare.put("/api/promo", json={"text": "Another letter", "url": "/letter"}))
    assert second["version"] > first["version"]
    assert read(bare, "/api/promo") == second
    assert bare.delete("/api/promo").status_code == 204
    refused(bare.get("/api/promo"), 404, "Not found")


def assert_replayed(first: httpx.Response, again: httpx.Response) -> None:
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for name in ("etag", "location", "content-type"):
        assert again.headers.get(name) == first.headers.get(name)


def test_a_repeated_post_gets_the_first_answer_even_after_other_changes(editor: httpx.Client) -> None:
    slug = create(editor)["slug"]
    key = {"Idempotency-Key": secrets.token_hex()}
    path = f"/api/stories/{slug}/updates"
    first = editor.post(path, json=UPDATE, headers=key)
    accepted(first, 201)
    patch(editor, update_path(first.json()), body="Changed since.")
    assert_replayed(first, editor.post(path, json=UPDATE, headers=key))
    retract(editor, first.json())
    assert_replayed(first, editor.post(path, json=UPDATE, headers=key))
    assert len(read(editor, f"/api/stories/{slug}")["updates"]) == 1


def test_a_repeated_creation_gets_the_first_answer(editor: httpx.Client) -> None:
    draft, key = {**STORY, "slug": new_slug()}, {"Idempotency-Key": "the first of the day"}
    key["Idempotency-Key"] += draft["slug"]
    first = editor.post("/api/stories", json=draft, headers=key)
    accepted(first, 201)
    assert_replayed(first, editor.post("/api/stories", json=draft, headers=key))


def test_a_repeated_patch_with_an_etag_gets_the_first_answer(editor: httpx.Client) -> None:
    path = f"/api/stories/{create(editor)['slug']}"
    headers = {"Idempotency-Key": secrets.token_hex(), "If-Match": '"1"'}
    first = editor.patch(path, json={"urgency": 2}, headers=headers)
    accepted(first)
    patch(editor, path, urgency=7)
    assert_replayed(first, editor.patch(path, json={"urgency": 2}, headers=headers))
    assert read(editor, path)["urgency"] == 7


def test_a_repeated_retraction_gets_the_first_answer(editor: httpx.Client) -> None:
    update = post(editor, create(editor)["slug"])
    send = {"json": {"reason": "Misread."}, "headers": {"Idempotency-Key": secrets.token_hex()}}
    first = editor.request("DELETE", update_path(update), **send)  # type: ignore[arg-type]
    accepted(first)
    assert_replayed(first, editor.request("DELETE", update_path(update), **send))  # type: ignore[arg-type]


def test_a_repeated_clearing_gets_the_first_answer_and_spares_the_next_notice(bare: httpx.Client) -> None:
    accepted(bare.put("/api/notice", json=NOTICE))
    key = {"Idempotency-Key": secrets.token_hex()}
    first = bare.delete("/api/notice", headers=key)
    assert (first.status_code, first.content) == (204, b"")
    accepted(bare.put("/api/notice", json={"text": "The next one"}))
    assert_replayed(first, bare.delete("/api/notice", headers=key))
    assert read(bare, "/api/notice")["text"] == "The next one"


def test_a_repetition_names_the_same_place_in_the_journal(editor: httpx.Client) -> None:
    path = f"/api/stories/{create(editor)['slug']}/updates"
    key = {"Idempotency-Key": secrets.token_hex()}
    first = editor.post(path, json=UPDATE, headers=key)
    again = editor.post(path, json=UPDATE, headers=key)
    assert again.headers.get("live-cursor") == first.headers["live-cursor"]


def test_without_a_key_every_post_is_a_new_update(editor: httpx.Client) -> None:
    slug = create(editor)["slug"]
    assert post(editor, slug)["id"] != post(editor, slug)["id"]


def test_a_key_belongs_to_its_token(editor: httpx.Client, admin: httpx.Client) -> None:
    path = f"/api/stories/{create(editor)['slug']}/updates"
    key = {"Idempotency-Key": secrets.token_hex()}
    first, second = (client.post(path, json=UPDATE, headers=key) for client in (editor, admin))
    assert accepted(first, 201)["id"] != accepted(second, 201)["id"]


def test_one_key_at_once_yields_one_update(editor: httpx.Client) -> None:
    slug = create(editor)["slug"]
    for _ in range(5):
        key = {"Idempotency-Key": secrets.token_hex()}
        answers = at_once(2, lambda _: editor.post(f"/api/stories/{slug}/updates", json=UPDATE, headers=key))  # noqa: B023
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].content == answers[1].content
        assert [a.headers.get("idempotent-replayed") for a in answers].count("true") == 1
    assert len(read(editor, f"/api/stories/{slug}")["updates"]) == 5


Prepare = Callable[[httpx.Client, dict[str, str]], Callable[[], httpx.Response]]


def creating_a_story(client: httpx.Client, key: dict[str, str]) -> Callable[[], httpx.Response]:
    draft = {**STORY, "slug": new_slug()}
    return lambda: client.post("/api/stories", json=draft, headers=key)


def changing_a_known_version(client: httpx.Client, key: dict[str, str]) -> Callable[[], httpx.Response]:
    path = f"/api/stories/{create(client)['slug']}"
    return lambda: client.patch(path, json={"urgency": 2}, headers={**key, "If-Match": '"1"'})


def retracting_an_update(client: httpx.Client, key: dict[str, str]) -> Callable[[], httpx.Response]:
    path = update_path(post(client, create(client)["slug"]))
    return lambda: client.request("DELETE", path, json={"reason": "Misread."}, headers=key)


def clearing_the_notice(client: httpx.Client, key: dict[str, str]) -> Callable[[], httpx.Response]:
    accepted(client.put("/api/notice", json=NOTICE))
    return lambda: client.delete("/api/notice", headers=key)


@pytest.mark.parametrize(
    "prepare", [creating_a_story, changing_a_known_version, retracting_an_update, clearing_the_notice]
)
def test_one_key_at_once_gets_one_answer_to_what_cannot_be_done_twice(bare: httpx.Client, prepare: Prepare) -> None:
    for _ in range(10):
        send = prepare(bare, {"Idempotency-Key": secrets.token_hex()})
        answers = at_once(4, lambda _: send())  # noqa: B023
        assert len({(answer.status_code, answer.content) for answer in answers}) == 1, [a.text for a in answers]
        assert answers[0].is_success


@pytest.mark.parametrize("tag", ['"1"', "*", '"7", "1"'])
def test_a_change_of_the_version_that_the_editor_read_is_made(editor: httpx.Client, tag: str) -> None:
    path = f"/api/stories/{create(editor)['slug']}"
    assert accepted(editor.patch(path, json={"urgency": 2}, headers={"If-Match": tag}))["version"] == 2


def test_an_etag_guards_updates_notice_and_promo_too(bare: httpx.Client) -> None:
    update = update_path(post(bare, create(bare)["slug"]))
    targets: list[tuple[str, str, Any]] = [
        ("PATCH", update, {"body": "Mended."}),
        ("DELETE", update, {"reason": "Misread."}),
        ("PUT", "/api/notice", NOTICE),
        ("DELETE", "/api/notice", None),
        ("PUT", "/api/promo", PROMO),
        ("DELETE", "/api/promo", None),
    ]
    accepted(bare.put("/api/notice", json=NOTICE))
    accepted(bare.put("/api/promo", json=PROMO))
    for method, path, body in targets:
        tag = bare.get(path).headers["etag"]
        refused(bare.request(method, path, json=body, headers={"If-Match": '"999"'}), 412, "Stale version")
        assert bare.request(method, path, json=body, headers={"If-Match": tag}).is_success


def test_a_lost_race_is_told_only_to_those_who_named_a_version(editor: httpx.Client) -> None:
    path = f"/api/stories/{create(editor)['slug']}"
    named = at_once(5, lambda n: editor.patch(path, json={"urgency": n + 1}, headers={"If-Match": '"1"'}))
    assert sorted(answer.status_code for answer in named) == [200, 412, 412, 412, 412]
    free = at_once(5, lambda n: editor.patch(path, json={"urgency": n + 1}))
    assert [answer.status_code for answer in free] == [200] * 5
    assert read(editor, path)["version"] == 7


def test_twenty_updates_at_once_are_all_there(editor: httpx.Client) -> None:
    slug = create(editor)["slug"]
    posted = at_once(20, lambda number: post(editor, slug, body=f"Number {number}."))
    updates = read(editor, f"/api/stories/{slug}")["updates"]
    assert {update["body"] for update in updates} == {f"Number {number}." for number in range(20)}
    assert {update["id"] for update in updates} == {update["id"] for update in posted}
    page = eventually(lambda: editor.get(f"/story/{slug}"))
    assert all(update["id"] in page.text for update in posted)


def test_an_internal_note_is_on_no_page(editor: httpx.Client) -> None:
    note = f"note{secrets.token_hex(8)}"
    section = f"Desk {note[-6:]}"
    story = create(editor, edNote=note, sections=[section])
    update = post(editor, story["slug"], edNote=note)
    patch(editor, update_path(update), correction="It said ten.")
    retract(editor, post(editor, story["slug"], edNote=note))
    assert read(editor, f"/api/stories/{story['slug']}")["edNote"] == note
    for path in ("/", f"/section/desk-{note[-6:]}", f"/story/{story['slug']}", f"/story/{create(editor)['slug']}"):
        page = eventually(lambda path=path: editor.get(path).raise_for_status())  # type: ignore[misc]
        eventually(lambda path=path: story["slug"] in editor.get(path).text)  # type: ignore[misc]
        assert note not in page.text
        assert note not in editor.get(path).text
