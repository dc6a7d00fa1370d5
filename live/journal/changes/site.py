"""Changes of what stands on every page: the breaking notice and the promo strip.

One notice is in force at a time; the others, prepared or from before, are in a list.
"""

from datetime import datetime

from live.journal.changes.change import Change, Guard, Write, stored
from live.journal.keys import NOTICES, SITE
from live.model import (
    Deed,
    ListedNotice,
    Notice,
    NoticeChanged,
    NoticeDraft,
    Promo,
    PromoChanged,
    PromoDraft,
    millis,
)

NOTICE, PROMO = "/api/notice", "/api/promo"


def put_notice(old: Notice | None, draft: NoticeDraft, moment: datetime, listed: ListedNotice | None = None) -> Change:
    """The breaking notice, in place of the one in force, which goes to the list; `listed` leaves that."""
    shown = {name: getattr(draft, name) for name in NoticeDraft.model_fields}
    notice = Notice(**shown, first_created=moment, version=_later(old, moment))
    guards = [Guard(SITE, "notice", old.version if old else 0)]
    writes = [Write("HSET", SITE, ("notice", stored(notice))), *_to_list(old)]
    if listed is not None:
        guards.append(Guard(NOTICES, listed.id, listed.version))
        writes.append(Write("HDEL", NOTICES, (listed.id,)))
    deed = Deed("notice.put", NOTICE, notice.version, note=notice.text)
    return Change(notice, NoticeChanged(at=moment, notice=notice), tuple(guards), tuple(writes), deed)


def clear_notice(old: Notice, moment: datetime) -> Change:
    """No breaking notice; the one there was goes to the list."""
    guards = (Guard(SITE, "notice", old.version),)
    writes = (Write("HDEL", SITE, ("notice",)), *_to_list(old))
    deed = Deed("notice.clear", NOTICE, old.version, note=old.text)
    return Change(None, NoticeChanged(at=moment, notice=None), guards, writes, deed)


def _to_list(old: Notice | None) -> list[Write]:
    if old is None:
        return []
    former = ListedNotice(**dict(old), id=str(old.version), shown=True)
    return [Write("HSET", NOTICES, (former.id, stored(former)))]


def prepare_notice(draft: NoticeDraft, notice_id: str, moment: datetime) -> Change:
    """A notice in the list, for later."""
    notice = ListedNotice(**dict(draft), id=notice_id, first_created=moment, version=1)
    deed = Deed("notice.prepare", f"/api/notices/{notice_id}", 1, note=notice.text)
    guards = (Guard(NOTICES, notice_id, 0),)
    return Change(notice, None, guards, (Write("HSET", NOTICES, (notice_id, stored(notice))),), deed)


def drop_notice(old: ListedNotice) -> Change:
    """One notice less in the list."""
    deed = Deed("notice.drop", f"/api/notices/{old.id}", old.version, note=old.text)
    guards = (Guard(NOTICES, old.id, old.version),)
    return Change(None, None, guards, (Write("HDEL", NOTICES, (old.id,)),), deed)


def put_promo(old: Promo | None, draft: PromoDraft, moment: datetime) -> Change:
    """The strip above everything, in place of the one shown."""
    promo = Promo(**dict(draft), version=_later(old, moment))
    guards = (Guard(SITE, "promo", old.version if old else 0),)
    writes = (Write("HSET", SITE, ("promo", stored(promo))),)
    deed = Deed("promo.put", PROMO, promo.version, note=promo.text)
    return Change(promo, PromoChanged(at=moment, promo=promo), guards, writes, deed)


def clear_promo(old: Promo, moment: datetime) -> Change:
    """No strip."""
    guards = (Guard(SITE, "promo", old.version),)
    deed = Deed("promo.clear", PROMO, old.version, note=old.text)
    return Change(None, PromoChanged(at=moment, promo=None), guards, (Write("HDEL", SITE, ("promo",)),), deed)


def _later(old: Notice | Promo | None, moment: datetime) -> int:
    """A version that no earlier life of the record had, though clearing it leaves no trace."""
    return max(millis(moment), old.version + 1 if old else 0)
