"""An issuer of OpenID Connect on loopback, right or wrong in one way of `WRONGS`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

__all__ = ["CLIENT", "SECRET", "Issuer"]

CLIENT, SECRET = "dash board", "s3cret&"
RSA = RSAKey.generate_key(2048, parameters={"kid": "k1"})
OTHER = RSAKey.generate_key(2048, parameters={"kid": "k1"})
with warnings.catch_warnings(action="ignore"):
    WEAK = RSAKey.generate_key(1024, parameters={"kid": "weak"})
EC = ECKey.generate_key("P-256", parameters={"kid": "ec"})
SHARED = OctKey.import_key("shared-secret-of-thirty-two-octets!", {"kid": "oct"})


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@dataclass
class Issuer:
    """`wrong` names what is wrong; `claims` are added to each token."""

    url: str = ""
    wrong: str = ""
    now: Callable[[], int] = lambda: 0
    claims: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.metadata),
                Route("/keys", self.keys),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
            ]
        )

    async def metadata(self, request: Request) -> Response:
        self.asked.append("metadata")
        document: dict[str, Any] = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        changes: dict[str, dict[str, Any]] = {
            "another name": {"issuer": "https://evil.example"},
            "a slash more": {"issuer": f"{self.url}/"},
            "no name": {"issuer": None},
            "plain PKCE only": {"code_challenge_methods_supported": ["plain"]},
            "no public key": {"id_token_signing_alg_values_supported": ["none", "HS256"]},
            "a script": {"authorization_endpoint": "javascript:alert(1)"},
            "a private token endpoint": {"token_endpoint": "https://10.0.0.1/token"},
            "keys at the metadata service": {"jwks_uri": "http://169.254.169.254/latest"},
            "no token endpoint": {"token_endpoint": None},
            "odd lists": {"id_token_signing_alg_values_supported": "RS256"},
        }
        document |= changes.get(self.wrong, {})
        if self.wrong == "a redirect":
            return RedirectResponse("http://169.254.169.254/latest/meta-data", 302)
        if self.wrong == "no JSON":
            return Response("<html>", media_type="application/json")
        if self.wrong == "a list":
            return JSONResponse([document])
        if self.wrong == "too much":
            return JSONResponse({"padding": "x" * 100_000, **document})
        if self.wrong == "deep":
            return Response("[" * 50_000, media_type="application/json")
        if self.wrong == "an error":
            return JSONResponse(document, 500)
        return JSONResponse(document)

    async def keys(self, request: Request) -> Response:
        self.asked.append("keys")
        keys = [key.as_dict(private=False) for key in (RSA, WEAK, EC)]
        if self.wrong == "a shared key":
            keys.append({**SHARED.as_dict(private=True)})
        if self.wrong == "keys for encryption":
            keys = [{**key, "use": "enc"} for key in keys]
        if self.wrong == "no keys":
            return JSONResponse({})
        if self.wrong == "odd keys":
            return JSONResponse({"keys": [1, None, {"kid": "k1", "kty": "RSA", "n": 5, "e": []}]})
        return JSONResponse({"keys": keys})

    async def authorize(self, request: Request) -> Response:
        given = dict(request.query_params)
        code = secrets.token_urlsafe(8)
        self.codes[code] = given
        answer = {"code": code, "state": given["state"], "iss": self.url}
        changes: dict[str, dict[str, str]] = {
            "another issuer in the answer": {"iss": "https://evil.example"},
            "no issuer in the answer": {"iss": ""},
            "another state": {"state": "x" * 43},
            "no state": {"state": ""},
            "no code": {"code": ""},
            "an endless code": {"code": "x" * 5000},
            "an unknown code": {"code": "unknown"},
        }
        answer |= changes.get(self.wrong, {})
        if self.wrong == "a refusal":
            answer = {"error": "access_denied", "state": given["state"], "iss": self.url}
        if self.wrong == "a refusal with markup":
            answer = {"error": "<script>alert(1)</script>", "state": given["state"], "iss": self.url}
        kept = [(name, value) for name, value in answer.items() if value]
        if self.wrong == "two codes":
            kept.append(("code", "second"))
        return RedirectResponse(f"{given['redirect_uri']}?{urlencode(kept)}", 302)

    async def token(self, request: Request) -> Response:
        self.asked.append("token")
        given = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self.codes.pop(given.get("code", ""), None)
        expected = base64.b64encode(b"dash+board:s3cret%26").decode()
        if asked is None or request.headers.get("authorization") != f"Basic {expected}":
            return JSONResponse({"error": "invalid_grant"}, 400)
        challenge = encoded(hashlib.sha256(given["code_verifier"].encode()).digest())
        same = given["redirect_uri"] == asked["redirect_uri"]
        if challenge != asked["code_challenge"] or asked["code_challenge_method"] != "S256" or not same:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if self.wrong == "a token endpoint that redirects":
            return RedirectResponse("http://169.254.169.254/", 307)
        if self.wrong == "a broken token endpoint":
            return JSONResponse({}, 503)
        if self.wrong == "no token":
            return JSONResponse({"access_token": "x"})
        if self.wrong == "tokens that are no JSON":
            return Response("id_token=x")
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": self.signed(asked)})

    def signed(self, asked: dict[str, str]) -> Any:
        now = self.now()
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "subject-1",
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.claims,
        }
        changes = dict(self.changes(now))
        for name, value in changes.get(self.wrong, {}).items():
            claims[name] = value
            if value is None:
                del claims[name]
        return self.written(claims)

    def changes(self, now: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """The claims that are wrong, by what is; None takes one out."""
        yield "another issuer", {"iss": "https://evil.example"}
        yield "no issuer", {"iss": None}
        yield "another audience", {"aud": "other"}
        yield "another audience, authorized for us", {"aud": "other", "azp": CLIENT}
        yield "several audiences, authorized for another", {"aud": ["other", CLIENT], "azp": "other"}
        yield "several audiences, authorized for nobody", {"aud": ["other", CLIENT]}
        yield "authorized for another", {"azp": "other"}
        yield "no audience", {"aud": None}
        yield "an odd audience", {"aud": {"x": CLIENT}}
        yield "expired", {"exp": now - 61}
        yield "no expiry", {"exp": None}
        yield "an odd expiry", {"exp": "never"}
        yield "an endless expiry", {"exp": 1e300}
        yield "a true expiry", {"exp": True}
        yield "of the future", {"iat": now + 61}
        yield "of no time", {"iat": None}
        yield "not yet valid", {"nbf": now + 61}
        yield "another nonce", {"nonce": "x"}
        yield "no nonce", {"nonce": None}
        yield "an odd nonce", {"nonce": ["x"]}
        yield "no subject", {"sub": None}
        yield "an empty subject", {"sub": ""}
        yield "a number as subject", {"sub": 5}
        yield "an endless subject", {"sub": "x" * 256}
        yield "a subject with NUL", {"sub": "a\x00b"}
        yield "another access token", {"at_hash": "AAAA"}

    def written(self, claims: dict[str, Any]) -> Any:
        wrong = self.wrong
        if wrong == "another key":
            return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, OTHER)
        if wrong == "an unknown key":
            return jwt.encode({"alg": "RS256", "kid": "k9"}, claims, OTHER)
        if wrong == "a weak key":
            return jwt.encode({"alg": "RS256", "kid": "weak"}, claims, WEAK)
        if wrong == "a shared key":
            return jwt.encode({"alg": "HS256", "kid": "oct"}, claims, SHARED)
        token = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, RSA)
        header, payload, signature = token.split(".")
        forged: dict[str, dict[str, Any]] = {
            "no signature": {"alg": "none"},
            "no signature in capitals": {"alg": "None", "kid": "k1"},
            "another algorithm": {"alg": "RS512", "kid": "k1"},
            "an odd algorithm": {"alg": ["RS256"], "kid": "k1"},
            "a key of its own": {"alg": "RS256", "jwk": OTHER.as_dict(private=False)},
            "an odd key name": {"alg": "RS256", "kid": {"a": 1}},
        }
        if wrong in forged:
            signature = "" if wrong.startswith("no signature") else signature
            return f"{encoded(json.dumps(forged[wrong]).encode())}.{payload}.{signature}"
        if wrong == "the public key as a secret":
            head = encoded(json.dumps({"alg": "HS256", "kid": "k1"}).encode())
            confused = f"{head}.{payload}"
            mac = hmac.new(RSA.as_pem(private=False), confused.encode(), hashlib.sha256)
            return f"{confused}.{encoded(mac.digest())}"
        if wrong == "another payload":
            changed = encoded(json.dumps({**claims, "sub": "admin"}).encode())
            return f"{header}.{changed}.{signature}"
        junk = {"no token at all": None, "a list as token": [token], "two parts": f"{header}.{payload}"}
        junk |= {"an endless token": "x" * 20_000 + "..", "an encrypted token": f"{token}.a.b"}
        return junk.get(wrong, token)


AT_DISCOVERY = (
    "another name", "a slash more", "no name", "plain PKCE only", "no public key", "a script",
    "a private token endpoint", "keys at the metadata service", "no token endpoint", "odd lists", "a redirect",
    "no JSON", "a list", "too much", "deep", "an error",
)  # fmt: skip
AT_RETURN = (
    "another issuer in the answer", "no issuer in the answer", "another state", "no state", "no code",
    "an endless code", "an unknown code", "a refusal", "a refusal with markup", "two codes",
)  # fmt: skip
AT_TOKEN = (
    "a token endpoint that redirects", "a broken token endpoint", "no token", "tokens that are no JSON", "no keys",
    "odd keys", "keys for encryption", "a shared key", "another key", "an unknown key", "a weak key", "no signature",
    "no signature in capitals", "another algorithm", "an odd algorithm", "a key of its own", "an odd key name",
    "the public key as a secret", "another payload", "no token at all", "a list as token", "two parts",
    "an endless token", "an encrypted token", *(name for name, _ in Issuer().changes(0)),
)  # fmt: skip
