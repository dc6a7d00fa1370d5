"""Signing in with the newsroom's own accounts: OpenID Connect Core 1.0, authorization code flow with PKCE (RFC 7636).

Decided here: what the provider is asked, and whether its answer is to be believed. Browsers are `sign_in.py`'s.
"""

import hashlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from pydantic import ValidationError

from live.errors import SignOnAway, SignOnRefused, SignOnStale
from live.journal.secret import new_secret
from live.model import RANK, Frozen, Identity, Role

SCOPE = "openid profile email"
PATIENCE_SECONDS = 10.0
LEEWAY_SECONDS = 60
METADATA_SECONDS = 3600.0
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Signatures made with the provider's private key; never one that our own secret, or nothing, would do for."""
LONGEST_NAME = 200


class Provider(NamedTuple):
    """A provider as the operator knows it; `roles` maps what it says of people to what they may do here."""

    issuer: str
    client_id: str
    client_secret: str
    role_claim: str
    roles: Mapping[str, Role]

    def __repr__(self) -> str:
        return f"Provider({self.issuer!r})"


class Pending(Frozen):
    """A sign-in under way: what the provider's answer must fit, and where the person wanted to go."""

    nonce: str
    verifier: str
    target: str


class SingleSignOn:
    """The provider's side of a sign-in. Raises SignOnAway when it cannot be reached or breaks the protocol."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._read_at = 0.0

    @staticmethod
    def pending(target: str) -> Pending:
        """A sign-in that begins now."""
        return Pending(nonce=new_secret(), verifier=new_secret(), target=target)

    @staticmethod
    def resumed(text: str) -> Pending:
        """A sign-in as it was kept. Raises SignOnStale when this is none."""
        try:
            return Pending.model_validate_json(text)
        except ValidationError:
            raise SignOnStale() from None

    async def address(self, pending: Pending, state: str, redirect_uri: str) -> str:
        """Where the browser goes, to come back to `redirect_uri` with a code."""
        metadata = await self._discovered()
        return str(
            prepare_grant_uri(
                metadata["authorization_endpoint"], self._provider.client_id, "code", redirect_uri, SCOPE, state,
                nonce=pending.nonce, code_challenge=create_s256_code_challenge(pending.verifier),  # type: ignore[no-untyped-call]
                code_challenge_method="S256",
            )
        )  # fmt: skip

    async def identity(self, answer: Mapping[str, str], pending: Pending, redirect_uri: str, address: str) -> Identity:
        """Whom the provider's answer (the query that the browser came back with) means.

        Raises:
            SignOnRefused: the provider let nobody in, or says nothing of this person that gives a role.
        """
        metadata = await self._discovered()
        if answer.get("iss", metadata["issuer"]) != metadata["issuer"]:  # RFC 9207
            raise SignOnRefused("The answer came from another provider.")
        if "code" not in answer:
            raise SignOnRefused(f"The newsroom's sign-on did not let you in ({answer.get('error', 'no reason')[:40]}).")
        try:
            tokens = await self._exchanged(answer["code"], pending, redirect_uri)
            claims = await self._claims(tokens, pending)
        except JoseError as error:
            raise SignOnAway(f"The newsroom's sign-on gave an answer that cannot be trusted ({error.error}).") from None
        return self._person(claims, address)

    async def _discovered(self) -> dict[str, Any]:
        """The provider's description of itself (OpenID Connect Discovery 1.0, 4), read anew each hour."""
        if not self._metadata or time.monotonic() - self._read_at > METADATA_SECONDS:
            issuer = self._provider.issuer
            found = await self._asked("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
            if str(found.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
                raise SignOnAway("The newsroom's sign-on gives another name than LIVE_OIDC_ISSUER.")
            if not {"authorization_endpoint", "token_endpoint", "jwks_uri"} <= found.keys():
                raise SignOnAway("The newsroom's sign-on does not say where it is to be asked.")
            self._metadata, self._keys, self._read_at = found, None, time.monotonic()
        return self._metadata

    async def _exchanged(self, code: str, pending: Pending, redirect_uri: str) -> dict[str, Any]:
        """The tokens that the code is good for. Raises SignOnRefused when the provider does not know the code."""
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
            "code_verifier": pending.verifier,
        }  # fmt: skip
        client_id, secret = self._provider.client_id, self._provider.client_secret
        offered = self._metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if secret and "client_secret_basic" in offered:
            # Both are form-encoded first (RFC 6749, 2.3.1).
            basic = httpx.BasicAuth(quote(client_id, safe=""), quote(secret, safe=""))
            return await self._asked("POST", self._metadata["token_endpoint"], data=form, auth=basic)
        form |= {"client_id": client_id} | ({"client_secret": secret} if secret else {})
        return await self._asked("POST", self._metadata["token_endpoint"], data=form)

    async def _claims(self, tokens: Mapping[str, Any], pending: Pending) -> dict[str, Any]:
        """What the provider says of the person: in the ID token, and beside it where it has more to say."""
        provider, metadata = self._provider, self._metadata
        token = await self._decoded(str(tokens.get("id_token", "")))
        claims = CodeIDToken(
            token.claims, token.header,
            {
                "iss": {"essential": True, "value": metadata["issuer"]},
                "aud": {"essential": True, "value": provider.client_id},
            },
            {"nonce": pending.nonce, "client_id": provider.client_id, "access_token": tokens.get("access_token")},
        )  # fmt: skip
        claims.validate(leeway=LEEWAY_SECONDS)
        found = dict(claims)
        if claim_of(found, provider.role_claim) is None and "userinfo_endpoint" in metadata:
            bearer = {"Authorization": f"Bearer {tokens.get('access_token')}"}
            more = await self._asked("GET", metadata["userinfo_endpoint"], headers=bearer)
            if more.get("sub") == found["sub"]:  # Core, 5.3.2
                found |= more
        return found

    async def _decoded(self, text: str) -> jwt.Token:
        """The ID token, its signature verified. Raises JoseError."""
        if self._keys is None:
            self._keys = await self._read_keys()
        try:
            return self._verified(text, self._keys)
        except (InvalidKeyIdError, BadSignatureError):  # perhaps the provider has new keys
            self._keys = await self._read_keys()
            return self._verified(text, self._keys)

    async def _read_keys(self) -> KeySet:
        found: Any = await self._asked("GET", self._metadata["jwks_uri"])
        try:
            return KeySet.import_key_set(found)
        except (ValueError, TypeError, KeyError) as error:
            raise SignOnAway() from error

    def _verified(self, text: str, keys: KeySet) -> jwt.Token:
        offered = self._metadata.get("id_token_signing_alg_values_supported", ["RS256"])
        registry = JWSRegistry(algorithms=sorted(ALGORITHMS.intersection(offered)), strict_check_header=False)
        try:
            return jwt.decode(text, keys, registry=registry)
        except (ValueError, TypeError, KeyError) as error:
            raise SignOnAway() from error

    async def _asked(self, method: str, url: str, **request: Any) -> dict[str, Any]:
        """The JSON object that the provider answers with. Raises SignOnRefused when it says the code is not good."""
        try:
            async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
                answer = await client.request(method, url, **request)
            found = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise SignOnAway() from error
        if answer.status_code == 400 and isinstance(found, dict) and found.get("error") == "invalid_grant":
            raise SignOnRefused("The newsroom's sign-on no longer knows this sign-in; begin again.")
        if not answer.is_success or not isinstance(found, dict):
            raise SignOnAway()
        return found

    def _person(self, claims: Mapping[str, Any], address: str) -> Identity:
        provider = self._provider
        names = (claims.get(claim) for claim in ("name", "preferred_username", "email", "sub"))
        name = " ".join(next((str(name) for name in names if name), "somebody").split())[:LONGEST_NAME]
        told = claim_of(claims, provider.role_claim)
        groups = told if isinstance(told, list) else [told, *str(told or "").split()]
        roles = [provider.roles[group] for group in groups if isinstance(group, str) and group in provider.roles]
        if not roles:
            raise SignOnRefused(
                f"'{name}' has no role at this desk: nothing in '{provider.role_claim}' is listed in LIVE_OIDC_ROLES. "
                "Ask whoever runs the site."
            )
        # `sub` is one person's within one issuer only (Core, 5.7).
        person = hashlib.sha256(f"{provider.issuer}\0{claims['sub']}".encode()).hexdigest()[:24]
        return Identity(f"sso-{person}", name, max(roles, key=RANK.__getitem__), "desk", address)


def claim_of(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by a path of names: `realm_access.roles`. None when it is not there."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
