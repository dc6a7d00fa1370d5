"""Demo stories, and a scripted breaking night: so that a newcomer sees pages with life in them."""

import asyncio
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from typing import Any

import httpx

from live.journal import Change, Journal, Receipt, State, changes
from live.model import CLOCK, NoticeDraft, PromoDraft, StoryDraft, UpdateDraft, new_update_id, now

Step = dict[str, Any]


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((files("live.demo") / name).read_text(encoding="utf-8"))


async def fill(journal: Journal, state: State) -> bool:
    """Puts the demo stories on an empty site; False if it is not empty. Repeating it changes nothing."""
    if not await state.is_empty():
        return False
    for number, change in enumerate(site()):
        await journal.append(change, Receipt(f"demo-{number}", "demo"), CLOCK)
    return True


def site() -> Iterator[Change]:
    """The demo site as changes, each dated some minutes before now, the oldest first."""
    content = _load("site.toml")
    dated: list[tuple[int, str, dict[str, Any]]] = []
    for story in content["story"]:
        updates = story.pop("update", [])
        dated.append((story.pop("minutes"), "", story))
        dated += [(update.pop("minutes"), story["slug"], update) for update in updates]
    written: dict[str, Any] = {}
    for minutes, slug, fields in sorted(dated, key=lambda item: -item[0]):
        moment = now() - timedelta(minutes=minutes)
        if slug:
            draft = UpdateDraft.model_validate(fields)
            yield changes.post_update(written[slug], draft, new_update_id(moment), moment)
        else:
            change = changes.create_story(StoryDraft.model_validate(fields), moment)
            written[fields["slug"]] = change.record
            yield change
    yield changes.put_promo(None, PromoDraft.model_validate(content["promo"]), now())


def night() -> list[Step]:
    """The steps of the breaking night: what to do, after how many seconds."""
    steps: list[Step] = _load("night.toml")["step"]
    return steps


class Newsroom:
    """Plays the steps of a night through the HTTP API, as an editor's client would.

    Args:
        client: with the server's address and an editor's token.
        run: tells this playing of the script from earlier ones.
    """

    def __init__(self, client: httpx.AsyncClient, run: str) -> None:
        self._client = client
        self._run = run
        self._updates: dict[str, str] = {}  # a step's name -> where its update is

    async def play(self, step: Step) -> str:
        """Carries out a step and returns a line about it. Raises httpx.HTTPError."""
        match step["do"]:
            case "story":
                await self._send("POST", "/api/stories", self._story(step))
                return f"story       {step['headline']}"
            case "update":
                answer = await self._send("POST", f"{self._place(step)}/updates", step["update"])
                self._updates[step.get("name", "")] = answer.headers["location"]
                return f"update      {step['update'].get('headline') or step['update']['body'][:70]}"
            case "correct":
                await self._send("PATCH", self._updates[step["name"]], step["update"])
                return f"correction  {step['update']['correction']}"
            case "retract":
                await self._send("DELETE", self._updates[step["name"]], {"reason": step["reason"]})
                return f"retraction  {step['reason']}"
            case "notice":
                expires = (now() + timedelta(seconds=step["seconds"])).isoformat()
                notice = NoticeDraft(text=step["text"], urgency=step["urgency"], story=self._slug(step))
                fields = notice.model_dump(mode="json", by_alias=True, exclude_none=True) | {"expires": expires}
                await self._send("PUT", "/api/notice", fields)
                return f"NOTICE      {step['text']}"
            case "clear":
                await self._send("DELETE", "/api/notice", None)
                return "notice cleared"
        raise ValueError(f"the script has an unknown step '{step['do']}'")

    def _slug(self, step: Step) -> str:
        return f"{step['story']}-{self._run}"

    def _place(self, step: Step) -> str:
        return f"/api/stories/{self._slug(step)}"

    def _story(self, step: Step) -> dict[str, Any]:
        return {key: value for key, value in step.items() if key not in ("do", "after", "story")} | {
            "slug": self._slug(step)
        }

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        headers = {"Idempotency-Key": new_update_id(now())}
        for pause in (1, 2, 4, 8, None):
            try:
                answer = await self._client.request(method, path, json=body, headers=headers)
                if answer.status_code != 503:
                    answer.raise_for_status()
                    return answer
            except httpx.TransportError:
                if pause is None:
                    raise
            if pause is not None:
                await asyncio.sleep(pause)
        answer.raise_for_status()
        return answer
