"""The documentation and the deployment files say what the code does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from live.settings import Settings
from live.web.api import OPERATIONS

ROOT = Path(__file__).parent.parent
VARIABLE = re.compile(r"\bLIVE_[A-Z][A-Z_]*[A-Z]\b")
SETTINGS = {f"LIVE_{name.upper()}" for name in Settings.model_fields}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_compose_sets_only_what_the_code_reads(compose: dict[str, Any]) -> None:
    for name in ("web1", "web2"):
        environment = compose["services"][name]["environment"]
        assert set(environment) <= SETTINGS
        values = {variable.removeprefix("LIVE_").lower(): value for variable, value in environment.items()}
        settings = Settings.read(**values)
        assert settings.redis_url == "redis://valkey:6379/0"
        assert settings.host == "0.0.0.0"


def test_compose_keeps_the_stories_on_a_volume_and_on_disk(compose: dict[str, Any]) -> None:
    valkey = compose["services"]["valkey"]
    options = dict(zip(valkey["command"][1::2], valkey["command"][2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    volume, _, path = valkey["volumes"][0].partition(":")
    assert volume in compose["volumes"]
    assert path == "/data"


def test_compose_proxy_reaches_both_nodes_on_their_port(compose: dict[str, Any]) -> None:
    web = compose["x-web"]["environment"]
    command = compose["services"]["proxy"]["command"]
    assert command[:2] == ["caddy", "reverse-proxy"]  # passes upgrades and flushes event streams by default
    targets = [command[index + 1] for index, word in enumerate(command) if word == "--to"]
    assert targets == [f"{name}:{web['LIVE_PORT']}" for name in ("web1", "web2")]
    assert not any("ports" in compose["services"][name] for name in ("web1", "web2", "valkey"))


def test_dockerfile_sets_only_what_the_code_reads_and_copies_what_is_there() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert set(VARIABLE.findall(text)) <= SETTINGS
    copied = [word for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE) for word in line.split()]
    ignored = (ROOT / ".dockerignore").read_text()
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_settings_table_is_complete_and_right() -> None:
    text = (ROOT / "docs" / "running.md").read_text()
    rows = dict(re.findall(r"^\| `(LIVE_\w+)` \| .*? \| (.*) \|$", text, re.MULTILINE))
    assert rows == {f"LIVE_{name.upper()}": field.description for name, field in Settings.model_fields.items()}


@pytest.mark.parametrize("path", [*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "Makefile"], ids=lambda p: p.name)
def test_documents_name_only_settings_that_exist(path: Path) -> None:
    assert set(VARIABLE.findall(path.read_text())) <= SETTINGS


def test_documents_link_only_to_files_that_exist() -> None:
    for path in [*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_operation_is_in_the_protocol() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text()
    for operation in OPERATIONS:
        assert re.search(rf"`[^|]*{re.escape(operation.path)}[`, ]", text), operation.path


def test_modules_in_the_architecture_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for name in re.findall(r"`((?:web|journal|fanout)/\w+\.py)`", text):
        assert (ROOT / "live" / name).exists(), name


def test_contract_files_are_json() -> None:
    files = list((ROOT / "tests" / "contract").glob("*.json"))
    assert files
    for path in files:
        json.loads(path.read_text())
