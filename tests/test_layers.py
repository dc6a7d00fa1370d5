"""The shape of the house: who may import whom, and how long a module may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LIVE = Path(__file__).parent.parent / "live"
LINES = 300
FLOORS: tuple[set[str], ...] = (
    {"errors"},
    {"model"},
    {"render"},
    {"journal", "fanout"},
    {"web"},
    {
        "settings",
        "node",
        "measures",
        "routes",
        "app",
        "cli",
        "serving",
        "leaving",
        "logs",
        "demo",
        "doctor",
        "bench",
        "__main__",
    },
)
TOP = FLOORS[-1]
FILES = sorted(LIVE.rglob("*.py"))
MODULES = [".".join(("live", *path.relative_to(LIVE).with_suffix("").parts)) for path in FILES]


def part_of(module: str) -> str:
    """The part of the house that a module is in: `journal` for `live.journal.log`; '' for the package itself."""
    name = module.removeprefix("live").removeprefix(".").partition(".")[0]
    return "" if name == "__init__" else name


def floor_of(part: str) -> int:
    found = [number for number, parts in enumerate(FLOORS) if part in parts]
    assert found, f"'{part}' has no place in the house; give it one in FLOORS"
    return found[0]


def imported(source: str) -> Iterator[str]:
    """Full names of what a module takes from `live`, wherever in it the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "live")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "live":
                yield from (f"live.{alias.name}" for alias in node.names)
            elif node.module and node.module.startswith("live."):
                yield node.module


def may_import(importer: str, taken: str) -> bool:
    """Downwards only; within a part freely; those on the top floor know each other."""
    here, there = part_of(importer), part_of(taken)
    if here == there or there == "":
        return True
    if here == "":
        return False
    return floor_of(there) < floor_of(here) or (here in TOP and there in TOP)


@pytest.mark.parametrize(("path", "module"), list(zip(FILES, MODULES, strict=True)), ids=MODULES)
def test_imports_go_down_only(path: Path, module: str) -> None:
    assert [taken for taken in imported(path.read_text()) if not may_import(module, taken)] == []


def test_every_floor_is_inhabited() -> None:
    assert {part_of(module) for module in MODULES} - {""} == set().union(*FLOORS)


@pytest.mark.parametrize(
    ("importer", "taken"),
    [
        ("live.journal.log", "live.fanout"),
        ("live.fanout.hub", "live.journal"),
        ("live.journal.log", "live.web.api"),
        ("live.errors", "live.model"),
        ("live.model", "live.render"),
        ("live.render", "live.fanout.frames"),
        ("live.web.api", "live.settings"),
        ("live.web.pages", "live.app"),
        ("live.journal.connection", "live.settings"),
        ("live.__init__", "live.model"),
    ],
)
def test_what_would_break_the_house_is_seen(importer: str, taken: str) -> None:
    assert not may_import(importer, taken)


def test_every_way_to_import_is_seen() -> None:
    source = (
        "import live.a\nimport os, live.b as b\nfrom live import c, d\nfrom live.e.f import g\ndef h():\n import live.i"
    )
    assert sorted(imported(source)) == ["live.a", "live.b", "live.c", "live.d", "live.e.f", "live.i"]


@pytest.mark.parametrize(("path", "module"), list(zip(FILES, MODULES, strict=True)), ids=MODULES)
def test_the_two_wings_meet_only_above_the_web(path: Path, module: str) -> None:
    parts = {part_of(taken) for taken in imported(path.read_text())}
    assert part_of(module) in TOP or not {"journal", "fanout"} <= parts


@pytest.mark.parametrize("path", FILES, ids=MODULES)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", FILES, ids=MODULES)
def test_no_module_is_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES
