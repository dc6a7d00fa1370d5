"""Signing in to the desk and out again: with a token, with a one-time link, or at the newsroom's own provider.

Whoever fails learns no more than that they did. A name is never looked up: it is compared with the name of the token
that was recognised, so that an unknown name and a wrong token get the same answer after the same steps.
"""

import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from live.errors import NotFound, Problem, SignInFirst, SignOnStale
from live.journal.attempts import Limit, Verdict
from live.journal.secret import is_secret
from live.journal.sessions import Accounts, identity_of
from live.journal.tokens import SHAPE, Token, folded, is_name_of
from live.model import Identity
from live.web.auth import Doorkeeper
from live.web.layout import Layout
from live.web.problems import headers_of
from live.web.sessions import (
    address_of,
    clear_cookie,
    cookie_name,
    desk_address,
    read_form,
    secret_of,
    set_cookie,
)

if TYPE_CHECKING:
    from live.web.oidc import Pending, SingleSignOn

Audit = Callable[[str, Identity | None, str], Awaitable[None]]
"""Records an action ("session.begin"), whose it was if that is known, and a sentence about it."""
FAILURES_BY_NAME = 10
FAILURES_BY_ADDRESS = 30
BEGUN_BY_ADDRESS = 300
"""Sign-ins that one address may begin at the provider in 15 minutes; a newsroom may share one."""
WRONG = "That name and token do not belong together, or are not known here."
LINK_OVER = "This link was used, or is older than 15 minutes. Whoever runs the site can make another."
SIGN_ON_COOKIE = "live-sign-on"
log = logging.getLogger("live.web")


class SignIn:
    """The addresses under `/desk` that need no session.

    Args:
        sign_on: the newsroom's provider, None when there is none.
        base: the site's public address, '' when nobody said.
        audit: told of every sign-in, refusal and sign-out.
    """

    def __init__(
        self, accounts: Accounts, doorkeeper: Doorkeeper, layout: Layout, audit: Audit,
        sign_on: "SingleSignOn | None" = None, base: str = "",
    ) -> None:  # fmt: skip
        self._accounts = accounts
        self._doorkeeper = doorkeeper
        self._layout = layout
        self._audit = audit
        self._sign_on = sign_on
        self._base = base

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/desk/sign-in", self.page, methods=["GET"]),
            Route("/desk/sign-in", self.with_token, methods=["POST"]),
            Route("/desk/sign-in/{code}", self.link_page, methods=["GET"]),
            Route("/desk/sign-in/{code}", self.with_link, methods=["POST"]),
            Route("/desk/sign-out", self.out, methods=["POST"]),
            Route("/desk/sso", self.begin_sign_on, methods=["GET"]),
            Route("/desk/sso/callback", self.end_sign_on, methods=["GET"]),
        ]

    async def page(self, request: Request) -> Response:
        """`GET /desk/sign-in`: the form; straight on for those who are signed in."""
        target = desk_address(request.query_params.get("next", ""))
        if await self._doorkeeper.at_desk(request):
            return redirect(target)
        return self._form(target)

    async def with_token(self, request: Request) -> Response:
        """`POST /desk/sign-in`: begins a session for a name and the token of that name."""
        self._doorkeeper.require_own_page(request)
        form = await read_form(request)
        name, text = form.get("name", ""), form.get("token", "").strip()
        target = desk_address(form.get("next", ""))
        if not name.strip() or not text:
            return self._form(target, 422, "Enter your name and your token.", name)
        address = address_of(request)
        limits = [Limit("name", folded(name), FAILURES_BY_NAME), Limit("address", address, FAILURES_BY_ADDRESS)]
        verdict = await self._accounts.attempts.count(limits)
        if verdict.wait:
            return await self._closed(verdict, target, name, address)
        token = await self._accounts.tokens.recognise(text)
        if token is None or not is_name_of(token, name):
            await self._audit("session.refuse", None, f"{printable(name)}, from {address}: wrong name or token")
            return self._form(target, 403, WRONG, name)
        await self._accounts.attempts.take_back(limits)
        return await self._let_in(request, identity_of(token, address), token, target, "with a token")

    async def _closed(self, verdict: Verdict, target: str, name: str, address: str) -> Response:
        if verdict.first:  # a guesser does not fill the trail
            await self._audit("session.refuse", None, f"{printable(name)}, from {address}: too many attempts")
        minutes = -(-verdict.wait // 60)
        answer = self._form(target, 429, f"Too many attempts. Try again in {minutes} min.", name)
        answer.headers["Retry-After"] = str(verdict.wait)
        return answer

    async def link_page(self, request: Request) -> Response:
        """`GET /desk/sign-in/<code>`: one button, so that programs which preview links do not use this one up."""
        token = await self._holder(await self._accounts.links.look(request.path_params["code"]))
        if token is None:
            return self._form("/desk", 410, LINK_OVER)
        return self._page("desk/sign-in-link.html", 200, name=token.name)

    async def with_link(self, request: Request) -> Response:
        """`POST /desk/sign-in/<code>`: begins a session for the holder of the token that the link was made for."""
        self._doorkeeper.require_own_page(request)
        token = await self._holder(await self._accounts.links.take(request.path_params["code"]))
        address = address_of(request)
        if token is None:
            await self._record_refusal(address, "a link that is used, too old or unknown")
            return self._form("/desk", 410, LINK_OVER)
        return await self._let_in(request, identity_of(token, address), token, "/desk", "with a one-time link")

    async def _holder(self, token_id: str | None) -> Token | None:
        return await self._accounts.tokens.in_force(token_id) if token_id else None

    async def out(self, request: Request) -> Response:
        """`POST /desk/sign-out`: ends the session."""
        answer = redirect("/desk/sign-in")
        try:
            somebody = await self._doorkeeper.require_page(request, "reporter")
        except SignInFirst:
            return answer
        await self._accounts.sessions.end(secret_of(request) or "")
        await self._audit("session.end", somebody.identity, "signed out")
        clear_cookie(answer, request)
        return answer

    async def begin_sign_on(self, request: Request) -> Response:
        """`GET /desk/sso`: sends the browser to the provider."""
        sign_on = self._provider()
        target = desk_address(request.query_params.get("next", ""))
        address = address_of(request)
        verdict = await self._accounts.attempts.count([Limit("sso", address, BEGUN_BY_ADDRESS)])
        if verdict.wait:
            return await self._closed(verdict, target, "", address)
        pending = sign_on.pending(target)
        try:
            state = await self._accounts.pending.keep(pending.model_dump_json(by_alias=True))
            answer = redirect(await sign_on.address(pending, state, self._callback(request)))
        except Problem as problem:
            return self._failed(problem, target)
        set_cookie(answer, request, state, SIGN_ON_COOKIE)
        return answer

    async def end_sign_on(self, request: Request) -> Response:
        """`GET /desk/sso/callback`: begins a session for whom the provider vouches."""
        sign_on = self._provider()
        address = address_of(request)
        try:
            pending = await self._pending(request)
            identity = await sign_on.identity(request.query_params, pending, self._callback(request), address)
        except Problem as problem:
            await self._record_refusal(address, problem.detail)
            answer = self._failed(problem, "/desk")
        else:
            answer = await self._let_in(request, identity, None, desk_address(pending.target), "by the provider")
        clear_cookie(answer, request, SIGN_ON_COOKIE)
        return answer

    async def _pending(self, request: Request) -> "Pending":
        """The sign-in that this browser began. Raises SignOnStale when it began none like this."""
        state = request.query_params.get("state", "")
        kept = request.cookies.get(cookie_name(request, SIGN_ON_COOKIE), "")
        if not (is_secret(state) and is_secret(kept) and hmac.compare_digest(state, kept)):
            raise SignOnStale()
        return self._provider().resumed(await self._accounts.pending.take(state) or "")

    def _provider(self) -> "SingleSignOn":
        if self._sign_on is None:
            raise NotFound()
        return self._sign_on

    def _callback(self, request: Request) -> str:
        base = self._base or f"{request.url.scheme}://{request.headers.get('host', '')}"
        return f"{base}/desk/sso/callback"

    async def _let_in(
        self, request: Request, identity: Identity, token: Token | None, target: str, how: str
    ) -> Response:
        """A session under a new secret: one that somebody planted in the browser before is worth nothing after."""
        before = secret_of(request)
        if before:
            await self._accounts.sessions.end(before)
        secret = await self._accounts.sessions.begin(identity, token.id if token else None)
        await self._audit("session.begin", identity, how)
        answer = redirect(target)
        set_cookie(answer, request, secret)
        return answer

    async def _record_refusal(self, address: str, why: str) -> None:
        """Tells the audit, unless one address makes that a flood."""
        verdict = await self._accounts.attempts.count([Limit("refusal", address, FAILURES_BY_ADDRESS)])
        if not verdict.wait:
            await self._audit("session.refuse", None, f"from {address}: {why}")

    def _failed(self, problem: Problem, target: str) -> Response:
        if problem.status >= 500:
            log.warning("sign-in with the provider failed: %s", problem.detail, exc_info=problem.__cause__)
        answer = self._form(target, problem.status, problem.detail)
        answer.headers.update(headers_of(problem))
        return answer

    def _form(self, target: str, status: int = 200, refusal: str = "", name: str = "") -> Response:
        return self._page(
            "desk/sign-in.html", status, target=target, refusal=refusal, name=name, sign_on=self._sign_on is not None
        )

    def _page(self, template: str, status: int, **context: Any) -> Response:
        html = self._layout.page(template, title="Sign in", identity=None, csrf="", **context)
        return HTMLResponse(html, status, {"Cache-Control": "no-store"})


def redirect(target: str) -> Response:
    """Sends a browser on, to be asked for with GET."""
    return RedirectResponse(target, 303, {"Cache-Control": "no-store"})


def printable(name: str) -> str:
    """A name that somebody typed, as it may be recorded: people paste tokens into the wrong field."""
    if SHAPE.search(name):
        return "a token in place of a name"
    return "'" + "".join(letter for letter in name.strip()[:80] if letter.isprintable()) + "'"


async def send_to_sign_in(_: Request, error: Exception) -> Response:
    """Answers SignInFirst: the sign-in page, and from there to the page that was asked for."""
    assert isinstance(error, SignInFirst)
    target = desk_address(error.target)
    return redirect("/desk/sign-in" + (f"?next={quote(target, safe='/')}" if target != "/desk" else ""))
