"""Operations of the newsroom itself: previews, who edits what, the audit trail, tokens."""

import csv
import io
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, TypeVar

from pydantic import ValidationError
from starlette.responses import Response, StreamingResponse

from live.errors import BadRequest, Invalid, NotAllowedNow, NotFound
from live.journal import changes
from live.journal.editing import Editor
from live.journal.tokens import Token
from live.journal.trail import KeptRecord
from live.model import (
    Deed,
    Frozen,
    Line,
    Moment,
    Role,
    Slug,
    Story,
    StoryDraft,
    Update,
    UpdateDraft,
    UpdateEdit,
    UpdateID,
    new_update_id,
)
from live.render import story_fragment, update_fragment
from live.web.api.records import fields_of, in_language, the_story, the_update, there
from live.web.operations import Call, Operation
from live.web.problems import invalid

Draft = TypeVar("Draft", bound=Frozen)
MOST_RECORDS = 500


class PreviewDraft(Frozen):
    """What to show as readers would see it: an update of a story (new, or the one with this ID), or a new story."""

    kind: Literal["update", "story"]
    story: Slug | None = None
    id: UpdateID | None = None
    draft: dict[str, Any]


class Preview(Frozen):
    """The fragment that readers would get."""

    html: str


class Nothing(Frozen):
    """An empty object."""


class Editors(Frozen):
    """Who else has the record open."""

    editors: tuple[Editor, ...]


class Records(Frozen):
    """A part of the audit trail, newest first."""

    records: tuple[KeptRecord, ...]


class TokenDraft(Frozen):
    """A new token."""

    name: Line
    role: Role


class ShownToken(Frozen):
    """A token without its secret; `token` is its text, in the answer that made it and never again."""

    id: str
    name: Line
    role: Role
    created: Moment
    revoked: Moment | None = None
    token: str | None = None


class TokenList(Frozen):
    """All tokens ever made, the oldest first."""

    tokens: tuple[ShownToken, ...]


async def preview(call: Call) -> Preview:
    wish = call.draft(PreviewDraft)
    if wish.kind == "story":
        draft = in_language(_model(StoryDraft, wish.draft), call.language)
        record = changes.create_story(draft, call.moment).record
        assert isinstance(record, Story)
        return Preview(html=story_fragment(record.for_readers()))
    story = there(await call.state.story(wish.story or ""), f"There is no story '{wish.story}'.")
    old = await call.state.update(story.slug, wish.id) if wish.id else None
    if old is None or old.pub_status != "usable":
        update_id = wish.id or new_update_id(call.moment)
        record = changes.post_update(story, _model(UpdateDraft, wish.draft), update_id, call.moment).record
    else:
        record = changes.edit_update(story, old, _model(UpdateEdit, wish.draft), call.moment).record
    assert isinstance(record, Update)
    return Preview(html=update_fragment(record.for_readers()))


def _model(model: type[Draft], fields: dict[str, Any]) -> Draft:
    try:
        return model.model_validate(fields, by_alias=True, by_name=False)
    except ValidationError as error:
        raise invalid(error) from None


async def enter_story(call: Call) -> Editors:
    call.draft(Nothing)
    story = await the_story(call)
    return Editors(editors=tuple(await call.stores.editing.enter(story.slug, call.identity)))


async def leave_story(call: Call) -> Response:
    await call.stores.editing.leave(call.path["slug"], call.identity)
    return Response(status_code=204)


async def enter_update(call: Call) -> Editors:
    call.draft(Nothing)
    update = await the_update(call, await the_story(call))
    target = f"{update.story}/{update.id}"
    return Editors(editors=tuple(await call.stores.editing.enter(target, call.identity)))


async def leave_update(call: Call) -> Response:
    await call.stores.editing.leave(f"{call.path['slug']}/{call.path['id']}", call.identity)
    return Response(status_code=204)


async def read_audit(call: Call) -> dict[str, Any]:
    limit = call.query.get("limit", "100")
    if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit) <= MOST_RECORDS):
        raise BadRequest(f"'limit' is a number from 1 to {MOST_RECORDS}.")
    before, who, action = (call.query.get(name, "") for name in ("before", "who", "action"))
    if before and not all(part.isdecimal() for part in before.split("-", 1)):
        raise BadRequest("'before' is the 'id' of a record.")
    records = await call.stores.trail.newest(int(limit), before, who, action)
    return {"records": [fields_of(record) for record in records]}


async def export_jsonl(call: Call) -> Response:
    async def lines() -> AsyncIterator[str]:
        async for record in call.stores.trail.all():
            yield record.model_dump_json(by_alias=True, exclude_none=True) + "\n"

    return _download(lines, "application/jsonl", "audit.jsonl")


async def export_csv(call: Call) -> Response:
    names = {info.alias or name: name for name, info in KeptRecord.model_fields.items()}

    async def lines() -> AsyncIterator[str]:
        yield _row(list(names))
        async for record in call.stores.trail.all():
            fields = record.model_dump(mode="json")
            yield _row([_cell(fields[name]) for name in names.values()])

    return _download(lines, "text/csv; charset=utf-8", "audit.csv")


def _cell(value: Any) -> str:
    """A value for a spreadsheet, which must not take it for a formula (OWASP, CSV injection)."""
    text = " ".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _row(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)  # RFC 4180
    return line.getvalue()


def _download(lines: Callable[[], AsyncIterator[str]], media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type=media_type, headers=headers)


async def list_tokens(call: Call) -> dict[str, Any]:
    return {"tokens": [fields_of(_shown(token)) for token in await call.stores.tokens.all()]}


async def create_token(call: Call) -> ShownToken:
    draft = call.draft(TokenDraft)
    token, text = await call.stores.tokens.create(draft.name, draft.role)
    await call.stores.trail.add(call.identity, Deed("token.create", f"/api/tokens/{token.id}", note=token.name))
    return _shown(token).model_copy(update={"token": text})


async def revoke_token(call: Call) -> Response:
    token = there(await call.stores.tokens.revoke(call.path["id"]), f"There is no token '{call.path['id']}'.")
    await call.stores.trail.add(call.identity, Deed("token.revoke", f"/api/tokens/{token.id}", note=token.name))
    return Response(status_code=204)


def _shown(token: Token) -> ShownToken:
    return ShownToken(id=token.id, name=token.name, role=token.role, created=token.created, revoked=token.revoked)


STORY_EDITING = "/api/stories/{slug}/editing"
UPDATE_EDITING = "/api/stories/{slug}/updates/{id}/editing"
AUDIT = "/api/audit"
TOKENS = "/api/tokens"
OPERATIONS = (
    Operation("POST", "/api/preview", "See a draft as readers would", "reporter", respond=preview, body=PreviewDraft,
              answer=Preview, problems=(NotFound, Invalid, NotAllowedNow)),
    Operation("PUT", STORY_EDITING, "Say that you edit a story", "reporter", respond=enter_story, body=Nothing,
              answer=Editors, problems=(NotFound,)),
    Operation("DELETE", STORY_EDITING, "Say that you are done with a story", "reporter", respond=leave_story,
              status=204),
    Operation("PUT", UPDATE_EDITING, "Say that you edit an update", "reporter", respond=enter_update, body=Nothing,
              answer=Editors, problems=(NotFound,)),
    Operation("DELETE", UPDATE_EDITING, "Say that you are done with an update", "reporter", respond=leave_update,
              status=204),
    Operation("GET", AUDIT, "Read the audit trail", "admin", respond=read_audit, answer=Records,
              query=("limit", "before", "who", "action")),
    Operation("GET", "/api/audit.jsonl", "Export the audit trail as JSON Lines", "admin", respond=export_jsonl,
              media_type="application/jsonl"),
    Operation("GET", "/api/audit.csv", "Export the audit trail as CSV", "admin", respond=export_csv,
              media_type="text/csv"),
    Operation("GET", TOKENS, "List the tokens", "admin", respond=list_tokens, answer=TokenList),
    Operation("POST", TOKENS, "Make a token", "admin", respond=create_token, body=TokenDraft, answer=ShownToken,
              status=201),
    Operation("DELETE", TOKENS + "/{id}", "Revoke a token", "admin", respond=revoke_token, status=204,
              problems=(NotFound,)),
)  # fmt: skip
