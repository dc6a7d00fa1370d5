"""Operations on what stands on every page: the breaking notice, the others in its list, and the promo strip."""

from typing import Any

from live.errors import NotAllowedNow, NotFound, StaleVersion
from live.journal import Change, changes
from live.model import Frozen, ListedNotice, Notice, NoticeDraft, Promo, PromoDraft, new_update_id
from live.web.api.records import fields_of, there
from live.web.operations import Call, Operation


class NoticeList(Frozen):
    """The notices that are not in force, prepared or from before, the last made first."""

    notices: tuple[ListedNotice, ...]


async def get_notice(call: Call) -> Notice:
    return there(await call.state.notice(), "There is no breaking notice.")


async def put_notice(call: Call) -> Change:
    old = await call.state.notice()
    call.require_version(old.version if old else 0)
    draft = call.draft(NoticeDraft)
    _require_to_come(call, draft)
    return changes.put_notice(old, draft, call.moment)


def _require_to_come(call: Call, draft: NoticeDraft) -> None:
    if draft.expires is not None and draft.expires <= call.moment:
        raise NotAllowedNow("The notice would have expired already; give a time to come in 'expires'.")


async def clear_notice(call: Call) -> Change:
    old = there(await call.state.notice(), "There is no breaking notice to clear.")
    call.require_version(old.version)
    return changes.clear_notice(old, call.moment)


async def list_notices(call: Call) -> dict[str, Any]:
    return {"notices": [fields_of(notice) for notice in await call.state.notices()]}


async def prepare_notice(call: Call) -> Change:
    return changes.prepare_notice(call.draft(NoticeDraft), new_update_id(call.moment), call.moment)


async def drop_notice(call: Call) -> Change:
    old = await _listed(call)
    call.require_version(old.version)
    return changes.drop_notice(old)


async def activate_notice(call: Call) -> Change:
    listed = await _listed(call)
    call.require_version(listed.version)
    _require_to_come(call, listed)
    return changes.put_notice(await call.state.notice(), listed, call.moment, listed)


async def _listed(call: Call) -> ListedNotice:
    notices = {notice.id: notice for notice in await call.state.notices()}
    return there(notices.get(call.path["id"]), f"There is no notice '{call.path['id']}' in the list.")


async def get_promo(call: Call) -> Promo:
    return there(await call.state.promo(), "There is no promo strip.")


async def put_promo(call: Call) -> Change:
    old = await call.state.promo()
    call.require_version(old.version if old else 0)
    return changes.put_promo(old, call.draft(PromoDraft), call.moment)


async def clear_promo(call: Call) -> Change:
    old = there(await call.state.promo(), "There is no promo strip to clear.")
    call.require_version(old.version)
    return changes.clear_promo(old, call.moment)


NOTICE = "/api/notice"
NOTICES = "/api/notices"
PREPARED = "/api/notices/{id}"
PROMO = "/api/promo"
OPERATIONS = (
    Operation("GET", NOTICE, "Read the breaking notice", "reporter", respond=get_notice, answer=Notice,
              problems=(NotFound,)),
    Operation("PUT", NOTICE, "Put up a breaking notice", "editor", decide=put_notice, body=NoticeDraft, answer=Notice,
              problems=(NotAllowedNow, StaleVersion)),
    Operation("DELETE", NOTICE, "Clear the breaking notice", "editor", decide=clear_notice, status=204,
              problems=(NotFound, StaleVersion)),
    Operation("GET", NOTICES, "List the other notices", "reporter", respond=list_notices, answer=NoticeList),
    Operation("POST", NOTICES, "Prepare a notice without showing it", "editor", decide=prepare_notice,
              body=NoticeDraft, answer=ListedNotice, status=201),
    Operation("DELETE", PREPARED, "Drop a notice from the list", "editor", decide=drop_notice, status=204,
              problems=(NotFound, StaleVersion)),
    Operation("POST", f"{PREPARED}/activate", "Put up a notice from the list", "editor", decide=activate_notice,
              answer=Notice, problems=(NotFound, NotAllowedNow, StaleVersion)),
    Operation("GET", PROMO, "Read the promo strip", "reporter", respond=get_promo, answer=Promo, problems=(NotFound,)),
    Operation("PUT", PROMO, "Set the promo strip", "admin", decide=put_promo, body=PromoDraft, answer=Promo,
              problems=(StaleVersion,)),
    Operation("DELETE", PROMO, "Remove the promo strip", "admin", decide=clear_promo, status=204,
              problems=(NotFound, StaleVersion)),
)  # fmt: skip
