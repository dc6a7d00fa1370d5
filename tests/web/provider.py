"""An OpenID Connect provider as a process of its own, which holds its clients to PKCE; prints its port.

python -m tests.web.provider '[{"sub": "ada", "name": "Ada Quill", "roles": ["news-editor"]}]'
"""

import base64
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain HTTP, on this machine

from oidc_provider_mock import User, app
from werkzeug.serving import make_server

Environment = dict[str, Any]
Answer = Callable[..., Any]
Application = Callable[[Environment, Answer], Iterable[bytes]]


class PKCE:
    """Refuses an authorization request without a challenge (S256), and a code without the verifier of one."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._challenges: set[str] = set()

    def __call__(self, environment: Environment, answer: Answer) -> Iterable[bytes]:
        path = environment["PATH_INFO"]
        if path == "/oauth2/authorize":
            query = parse_qs(environment["QUERY_STRING"])
            if query.get("code_challenge_method") != ["S256"] or len(query.get("nonce", [""])[0]) < 20:
                return refuse(answer)
            self._challenges.add(query["code_challenge"][0])
        if path == "/oauth2/token":
            body = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
            environment["wsgi.input"] = io.BytesIO(body)
            verifier = parse_qs(body.decode()).get("code_verifier", [""])[0]
            digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
            if digest not in self._challenges:
                return refuse(answer)
        return self._application(environment, answer)


def refuse(answer: Answer) -> list[bytes]:
    answer("400 Bad Request", [("Content-Type", "application/json")])
    return [b'{"error": "invalid_grant"}']


def main() -> None:
    users = [User(sub=claims.pop("sub"), claims=claims) for claims in json.loads(sys.argv[1])]
    provider = app(user_claims=users, require_nonce=True)
    server = make_server("127.0.0.1", 0, PKCE(provider.wsgi_app), threaded=True)
    print(server.port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
