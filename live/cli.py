"""The `live` command."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import typer
from redis.asyncio import Redis

import live
from live import demo as demonstration
from live import doctor as examination
from live import serving
from live.bench import capacity as measured
from live.bench import sizing
from live.errors import LiveError, SettingsError
from live.journal import Keys
from live.journal.connection import connect, require_usable
from live.journal.embedded import embedded
from live.journal.sessions import Accounts, Sessions, sign_in_links
from live.journal.tokens import Tokens
from live.model import RANK, new_update_id, now
from live.settings import Settings

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Self-hosted real-time breaking news.")  # fmt: skip
token_app = typer.Typer(no_args_is_help=True, help="Editors' tokens.")
app.add_typer(token_app, name="token")
session_app = typer.Typer(no_args_is_help=True, help="Who is signed in to the desk.")
app.add_typer(session_app, name="session")


@contextmanager
def told_in_one_sentence() -> Iterator[None]:
    """Turns a foreseen error into one sentence on standard error and exit code 1."""
    try:
        yield
    except LiveError as error:
        _fail(error.detail)
    except httpx.HTTPStatusError as error:
        _fail(_refusal(error.response))
    except httpx.HTTPError as error:
        _fail(f"The server cannot be reached ({error}); is 'live serve' running there?")


def _fail(sentence: str) -> None:
    typer.secho(f"live: {sentence}", err=True, fg="red")
    raise typer.Exit(1)


def _refusal(answer: httpx.Response) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError):
        detail = answer.reason_phrase
    return f"The server refused ({answer.status_code}): {detail}"


@app.callback(invoke_without_command=True)
def main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(f"live {live.__version__}")
        raise typer.Exit()


Host = Annotated[str | None, typer.Option(help="Address to listen on (LIVE_HOST).", show_default="127.0.0.1")]
Port = Annotated[int | None, typer.Option(help="Port to listen on (LIVE_PORT).", show_default="8000")]
Workers = Annotated[int | None, typer.Option(help="Server processes (LIVE_WORKERS).", show_default="1")]
RedisURL = Annotated[str | None, typer.Option(help="Redis or Valkey server (LIVE_REDIS_URL).", show_default="embedded")]
DataDir = Annotated[Path | None, typer.Option(help="The embedded server's files (LIVE_DATA_DIR).", show_default="data")]
Demo = Annotated[bool | None, typer.Option("--demo", help="Fill an empty site with demo stories (LIVE_DEMO).")]
URL = Annotated[str | None, typer.Option(help="The server's address (LIVE_URL).", show_default="this machine's")]


@app.command()
def serve(
    host: Host = None, port: Port = None, workers: Workers = None, redis_url: RedisURL = None,
    data_dir: DataDir = None, demo: Demo = None,
) -> None:  # fmt: skip
    """Run the server (with an embedded Valkey, unless LIVE_REDIS_URL names another)."""
    with told_in_one_sentence():
        settings = Settings.read(
            host=host, port=port, workers=workers, redis_url=redis_url, data_dir=data_dir, demo=demo
        )
        serving.serve(settings)


@app.command()
def doctor() -> None:
    """Check the Redis server and this machine; say what to mend."""

    async def examine(client: Redis, _: Settings) -> list[examination.Finding]:
        return await examination.examine(client)

    findings = _with_server(examine)
    for finding in findings:
        mark, colour = ("ok  ", "green") if finding.well else ("mend", "red")
        typer.echo(f"{typer.style(mark, fg=colour)}  {finding.what}" + (f": {finding.mend}" if finding.mend else ""))
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


@app.command()
def bench(
    readers: Annotated[int, typer.Option(min=200, max=100_000, help="Readers to measure with.")] = 5_000,
) -> None:
    """Measure how many readers this machine will hold (Linux)."""
    with told_in_one_sentence():
        found = measured.measure(readers, lambda line: typer.echo(line, err=True))
    typer.echo(measured.report(found))


@app.command()
def capacity(
    updates: Annotated[float, typer.Option(min=0, help="Updates a minute to every reader.")] = 6.0,
    within: Annotated[float, typer.Option(min=0.01, help="Seconds until the last reader has an update.")] = 1.0,
    cores: Annotated[int, typer.Option(min=1, help="Cores of a node.")] = 8,
    files: Annotated[int, typer.Option(min=1_000, help="Files that a process may open (ulimit -n).")] = 65_536,
    delivery: Annotated[float, typer.Option(min=0.01, help="CPU µs per delivery, as 'live bench' says.")] = 5.07,
    handshake: Annotated[float, typer.Option(min=0, help="CPU µs per reader who comes in.")] = 124.0,
    memory: Annotated[float, typer.Option(min=0, help="KiB per reader.")] = 1.4,
    size: Annotated[int, typer.Option(min=1, help="Bytes of an update as it is sent.")] = 676,
) -> None:
    """Reckon how many nodes 10 thousand to 10 million readers take."""
    costs, site = sizing.Costs(delivery, handshake, memory, size), sizing.Site(updates, within, cores, files)
    typer.echo("\n".join(sizing.table(costs, site)))


@app.command()
def demo(
    url: URL = None,
    speed: Annotated[float, typer.Option(min=0.1, max=100, help="Twice as fast: 2.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Stop after one night.")] = False,
) -> None:
    """Play a breaking night through the HTTP API, over and over: open a page and watch it move."""

    async def play() -> None:
        async with _api_client(url) as client:
            while True:
                run = new_update_id(now())[:10]
                typer.echo(f"Watch {client.base_url}/story/blackout-northern-grid-{run} and {client.base_url}/")
                newsroom = demonstration.Newsroom(client, run)
                for step in demonstration.night():
                    await asyncio.sleep(step["after"] / speed)
                    typer.echo(f"{now():%H:%M:%S}  {await newsroom.play(step)}")
                if once:
                    return

    with told_in_one_sentence():
        _run(play())


@app.command()
def post(
    story: Annotated[str, typer.Argument(help="Slug of the story.")],
    body: Annotated[str, typer.Argument(help="Markdown; '-' reads it from standard input.")],
    headline: Annotated[str | None, typer.Option(help="Headline of the update.")] = None,
    urgency: Annotated[int, typer.Option(min=1, max=9, help="1 flash, 3 urgent, 5 regular.")] = 5,
    key_event: Annotated[bool, typer.Option("--key-event", help="Mark it as a key event.")] = False,
    pinned: Annotated[bool, typer.Option("--pinned", help="Pin it above the others.")] = False,
    url: URL = None,
) -> None:
    """Post an update to a story."""
    fields: dict[str, Any] = {"body": sys.stdin.read() if body == "-" else body, "urgency": urgency}
    fields |= {"keyEvent": key_event, "pinned": pinned} | ({"headline": headline} if headline else {})

    async def send() -> str:
        async with _api_client(url) as client:
            key = {"Idempotency-Key": new_update_id(now())}
            answer = await client.post(f"/api/stories/{story}/updates", json=fields, headers=key)
            answer.raise_for_status()
            return f"{client.base_url}/story/{story}#u-{answer.json()['id']}"

    with told_in_one_sentence():
        typer.echo(_run(send()))


@token_app.command("create")
def token_create(
    name: Annotated[str, typer.Option(help="Whose token it is.")],
    role: Annotated[str, typer.Option(help="reporter, editor or admin.")],
) -> None:
    """Make a token and print it, once: only its hash is stored."""
    if role not in RANK:
        raise typer.BadParameter("must be reporter, editor or admin", param_hint="--role")
    if not name.strip() or len(name) > 300:
        raise typer.BadParameter("must have 1 to 300 characters", param_hint="--name")
    _, text = _with_server(lambda client, settings: _tokens(client, settings).create(name, role))
    typer.echo(text)


@token_app.command("list")
def token_list() -> None:
    """List the tokens; none can be shown again."""
    for token in _with_server(lambda client, settings: _tokens(client, settings).all()):
        state = f"revoked {token.revoked:%Y-%m-%d %H:%M}" if token.revoked else "in force"
        typer.echo(f"{token.id}  {token.role:<8}  {token.created:%Y-%m-%d %H:%M}  {state:<24}  {token.name}")


@token_app.command("revoke")
def token_revoke(token_id: Annotated[str, typer.Argument(metavar="ID", help="As 'live token list' shows it.")]) -> None:
    """Refuse a token from now on."""
    token = _with_server(lambda client, settings: _tokens(client, settings).revoke(token_id))
    if token is None:
        _fail(f"There is no token '{token_id}'; 'live token list' shows them.")
    typer.echo(f"Revoked {token_id}.")


@app.command("sign-in")
def sign_in(
    name: Annotated[str, typer.Option(help="Who is to sign in: the name of a token.")], url: URL = None
) -> None:
    """Make a link that signs the holder of a token in to the desk, once and within 15 minutes."""

    async def make(client: Redis, settings: Settings) -> str:
        token = await _tokens(client, settings).held_by(name)
        if token is None:
            raise SettingsError(f"Nobody named '{name}' has a token in force; 'live token list' shows them.")
        code = await sign_in_links(client, Keys(settings.site)).keep(token.id)
        return f"{(url or settings.public_url or _address(settings)).rstrip('/')}/desk/sign-in/{code}"

    typer.echo(_with_server(make))


@session_app.command("list")
def session_list() -> None:
    """List who is signed in to the desk."""
    for one in _with_server(lambda client, settings: _sessions(client, settings).all()):
        typer.echo(f"{one.id}  {one.role:<8}  {one.created:%Y-%m-%d %H:%M}  {one.address:<15}  {one.name}")


@session_app.command("end")
def session_end(
    session_id: Annotated[str, typer.Argument(metavar="ID", help="As 'live session list' shows it.")],
) -> None:
    """Sign somebody out."""
    if not _with_server(lambda client, settings: _sessions(client, settings).end_by_id(session_id)):
        _fail(f"There is no session '{session_id}'; 'live session list' shows them.")
    typer.echo(f"Ended {session_id}.")


def _sessions(client: Redis, settings: Settings) -> Sessions:
    return Accounts.of(client, Keys(settings.site), timedelta(hours=settings.session_hours)).sessions


def _tokens(client: Redis, settings: Settings) -> Tokens:
    return Tokens(client, Keys(settings.site))


def _with_server(work: Callable[[Redis, Settings], Awaitable[T]]) -> T:
    """Does something with the Redis server: the one configured, or the embedded one, started if need be."""

    async def go(settings: Settings, url: str) -> T:
        client = connect(url, settings.site)
        try:
            await require_usable(client, url)
            return await work(client, settings)
        finally:
            await client.aclose()

    with told_in_one_sentence():
        settings = Settings.read()
        if settings.redis_url is not None:
            return asyncio.run(go(settings, settings.redis_url))
        with embedded(settings.data_dir) as url:
            return asyncio.run(go(settings, url))
    raise AssertionError("told_in_one_sentence does not swallow")


def _api_client(url: str | None) -> httpx.AsyncClient:
    """A client of the API with the token of LIVE_TOKEN, or else the one that `live serve --demo` left."""
    settings = Settings.read(url=url)
    kept = serving.token_file(settings)
    token = settings.token or (kept.read_text().strip() if kept.is_file() else None)
    if not token:
        raise SettingsError("There is no token: set LIVE_TOKEN to one that 'live token create' printed.")
    return httpx.AsyncClient(base_url=_address(settings), headers={"Authorization": f"Bearer {token}"}, timeout=10)


def _address(settings: Settings) -> str:
    """Where the server answers, as far as this machine knows."""
    return (settings.url or f"http://{serving.reachable(settings.host)}:{settings.port}").rstrip("/")


def _run(work: Any) -> Any:
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        os._exit(130)
