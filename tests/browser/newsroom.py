"""What an editor does in the browser tests, over HTTP."""

from datetime import timedelta
from typing import Any

import httpx

from live.model import now


class Newsroom:
    """Posts as an admin; every method fails on a refusal."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def story(self, slug: str = "flood", **fields: Any) -> None:
        draft = {"slug": slug, "headline": f"Headline of {slug}", "sections": ["World"], "body": f"Body of {slug}."}
        self._send("POST", "/api/stories", draft | fields)

    def edit_story(self, slug: str = "flood", **fields: Any) -> None:
        self._send("PATCH", f"/api/stories/{slug}", fields)

    def update(self, body: str, slug: str = "flood", **fields: Any) -> str:
        """Posts an update and returns its ID."""
        posted: dict[str, str] = self._send("POST", f"/api/stories/{slug}/updates", {"body": body} | fields).json()
        return posted["id"]

    def edit_update(self, update: str, slug: str = "flood", **fields: Any) -> None:
        self._send("PATCH", f"/api/stories/{slug}/updates/{update}", fields)

    def retract(self, update: str, reason: str, slug: str = "flood") -> None:
        self._send("DELETE", f"/api/stories/{slug}/updates/{update}", {"reason": reason})

    def notice(self, text: str, seconds: float | None = None, **fields: Any) -> None:
        if seconds is not None:
            fields["expires"] = (now() + timedelta(seconds=seconds)).isoformat()
        self._send("PUT", "/api/notice", {"text": text} | fields)

    def clear_notice(self) -> None:
        self._send("DELETE", "/api/notice", None)

    def promo(self, text: str) -> None:
        self._send("PUT", "/api/promo", {"text": text, "url": "/section/world"})

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        answer = self.client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer
