"""A real OpenID Connect provider beside the server under test, and the people it knows."""

import json
import subprocess
import sys
from typing import Any

PEOPLE: list[dict[str, Any]] = [
    {"sub": "ada", "name": "Ada Quill", "roles": ["news-editor", "canteen"]},
    {"sub": "ben", "name": "Ben Oster", "roles": ["canteen"]},
    {"sub": "cleo", "email": "cleo@news.example", "roles": "news-reporter news-admin"},
    {"sub": "dora", "name": "Dora <b>Finch</b>"},
]
ROLES = "news-admin=admin, news-editor=editor,news-reporter=reporter"


class LocalProvider:
    """The provider's process; `url` is its issuer."""

    def __init__(self) -> None:
        words = [sys.executable, "-m", "tests.web.provider", json.dumps(PEOPLE)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout
        self.url = f"http://localhost:{int(self.process.stdout.readline())}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stdout
        self.process.stdout.close()


def settings_for(provider: LocalProvider) -> dict[str, str]:
    return {
        "oidc_issuer": provider.url, "oidc_client_id": "live", "oidc_client_secret": "kept/to+ourselves %",
        "oidc_roles": ROLES,
    }  # fmt: skip
