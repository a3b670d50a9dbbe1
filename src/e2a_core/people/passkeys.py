"""Passkeys (Web Authentication level 3): signing in with a key that a device keeps and its user unlocks.

A passkey names its person itself, and the device must have verified its user. The relying party is the host of the
deployment's URL.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from e2a_core.audit.entry import by_principal, shown
from e2a_core.audit.log import AuditLog
from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.errors import Conflict, E2AError, InvalidRequest, NotFound, Unauthorized
from e2a_core.people import passkey_queries as queries
from e2a_core.people.attempts import begin_attempt, take_attempt
from e2a_core.people.queries import PersonRow, SessionRow, person_from
from e2a_core.people.sessions import NewSession, new_session, person_principal
from e2a_core.store.statement import Row, first
from e2a_core.texts import require_storable

if TYPE_CHECKING:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

__all__ = ["CREDENTIAL_OCTETS", "Begun", "Passkey", "Passkeys", "RelyingParty", "relying_party"]

GOOD_FOR = timedelta(minutes=5)
"""Of a challenge: a person looks for their device meanwhile."""
MAX_PASSKEYS = 20
"""Of one person."""
MAX_NAME_CHARS = 60
CREDENTIAL_OCTETS = 32 * 1024
"""A response with an attestation has a few kilobytes."""
_ADD, _SIGN_IN = "add_passkey", "passkey"
_PORTS = {"https": 443, "http": 80}
_PREFERRED = (-8, -7, -257)
"""Ed25519, ES256 and RS256 (RFC 9053, RFC 8812)."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who asks for passkeys: a domain, and the origin of its pages."""

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Passkey:
    """One as its person sees it; instants in microseconds."""

    id: str
    name: str
    created_at: int
    last_used_at: int | None


@dataclass(frozen=True, slots=True)
class Begun:
    """`options` are for the browser's interface, `token` for its cookie."""

    token: str
    options: Mapping[str, Any]


class Passkeys:
    """The passkeys of a deployment."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._audit = AuditLog(core)

    async def list(self, person_id: str) -> list[Passkey]:
        rows = await self._core.db.read(queries.passkeys(person_id, MAX_PASSKEYS))
        return [
            Passkey(row["passkey_id"], row["passkey_name"], row["added_at"], row["last_used_at"])
            for row in rows
        ]

    async def begin_adding(self, who: SessionRow) -> Begun:
        """Raises `Conflict` if there can be no passkeys here, or no more of that person."""
        from webauthn import generate_registration_options
        from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json_dict
        from webauthn.helpers.cose import COSEAlgorithmIdentifier
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            PublicKeyCredentialDescriptor,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        known = await self._core.db.read(queries.passkeys(who.person.id, MAX_PASSKEYS))
        if len(known) >= MAX_PASSKEYS:
            raise Conflict(f"a person has at most {MAX_PASSKEYS} passkeys")
        excluded: list[PublicKeyCredentialDescriptor] = [
            PublicKeyCredentialDescriptor(id=base64url_to_bytes(row["credential_id"])) for row in known
        ]
        options = generate_registration_options(
            rp_id=self._party().id,
            rp_name="e2a",
            user_id=who.person.id.encode(),
            user_name=who.person.email,
            user_display_name=who.person.name or who.person.email,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=excluded,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(number) for number in _PREFERRED],
        )
        details = {"challenge": bytes_to_base64url(options.challenge), "session": who.id}
        token = await begin_attempt(self._core, _ADD, details, GOOD_FOR, who.person.id)
        return Begun(token, options_to_json_dict(options))

    async def add(self, who: SessionRow, token: str, credential: str, name: str) -> None:
        """Adds the passkey that a device made. Raises `InvalidRequest` for anything but what was asked for."""
        from webauthn import verify_registration_response
        from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

        entry = by_principal(person_principal(who.person), "add_passkey")
        async with self._audit.during(entry) as subjects:
            attempt = await take_attempt(self._core, _ADD, token)
            if attempt is None or attempt.person_id != who.person.id or attempt.details["session"] != who.id:
                raise InvalidRequest("this took too long, or was done already: add the passkey again")
            party = self._party()
            given = _parsed(credential)
            with _refusing(InvalidRequest("the device's answer does not fit, so nothing was added")):
                verified = verify_registration_response(
                    credential=given,
                    expected_challenge=base64url_to_bytes(attempt.details["challenge"]),
                    expected_rp_id=party.id,
                    expected_origin=party.origin,
                    require_user_verification=True,
                )
            passkey_id = self._core.ids.new("psk")
            [added] = await self._core.db.write(
                [
                    queries.insert_passkey(
                        passkey_id,
                        who.person.id,
                        key_id=who.key_id,
                        credential_id=bytes_to_base64url(verified.credential_id),
                        public_key=bytes_to_base64url(verified.credential_public_key),
                        sign_count=verified.sign_count,
                        name=_name(name),
                        now=to_micros(self._core.clock.now()),
                    )
                ]
            )
            if not added.rowcount:
                raise Conflict("this passkey is known already")
            subjects["passkey_id"] = passkey_id

    async def begin_sign_in(self) -> Begun:
        """Raises `Conflict` if there can be no passkeys here."""
        from webauthn import generate_authentication_options
        from webauthn.helpers import bytes_to_base64url, options_to_json_dict
        from webauthn.helpers.structs import UserVerificationRequirement

        options = generate_authentication_options(
            rp_id=self._party().id, user_verification=UserVerificationRequirement.REQUIRED
        )
        details = {"challenge": bytes_to_base64url(options.challenge)}
        token = await begin_attempt(self._core, _SIGN_IN, details, GOOD_FOR)
        return Begun(token, options_to_json_dict(options))

    async def sign_in(self, token: str, credential: str, user_agent: str) -> NewSession:
        """Opens a session. Raises `Unauthorized`, with the same words whatever does not fit."""
        refused = Unauthorized("this passkey did not sign you in: try again, or use another way")
        attempt = await take_attempt(self._core, _SIGN_IN, token)
        if attempt is None:
            raise refused
        with _refusing(refused):
            given = _parsed(credential)
            found = await self._found(given)
        if found is None:
            raise refused
        person = person_from(found)
        try:
            return await self._verified(given, found, person, attempt.details["challenge"], user_agent)
        except Unauthorized:
            raise refused from None

    async def rename(self, who: SessionRow, passkey_id: str, name: str) -> None:
        """Raises `NotFound`."""
        entry = by_principal(
            person_principal(who.person), "rename_passkey", {"passkey_id": shown(passkey_id)}
        )
        async with self._audit.during(entry):
            [changed] = await self._core.db.write(
                [queries.rename_passkey(who.person.id, passkey_id, _name(name))]
            )
            if not changed.rowcount:
                raise NotFound("no such passkey")

    async def remove(self, who: SessionRow, passkey_id: str) -> None:
        """Removes a passkey and ends the person's other sessions, which it may have opened. Raises `NotFound`."""
        entry = by_principal(
            person_principal(who.person), "remove_passkey", {"passkey_id": shown(passkey_id)}
        )
        async with self._audit.during(entry):
            now = to_micros(self._core.clock.now())
            [removed, _] = await self._core.db.write(
                [
                    queries.delete_passkey(who.person.id, passkey_id),
                    queries.revoke_others(who.person.id, who.id, now),
                ]
            )
            if not removed.rowcount:
                raise NotFound("no such passkey")

    async def _found(self, given: Mapping[str, Any]) -> Row | None:
        """The passkey that the answer names, if the person is the one that the answer names too."""
        from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

        credential_id = bytes_to_base64url(base64url_to_bytes(given["rawId"]))
        now = to_micros(self._core.clock.now())
        row = first(await self._core.db.read(queries.passkey_by_credential(credential_id, now)))
        handle = base64url_to_bytes(given["response"]["userHandle"])
        return row if row is not None and handle == row["person_id"].encode() else None

    async def _verified(
        self, given: Mapping[str, Any], found: Row, person: PersonRow, challenge: str, user_agent: str
    ) -> NewSession:
        from webauthn import verify_authentication_response
        from webauthn.helpers import base64url_to_bytes

        party = self._party()
        with _refusing(Unauthorized("refused")):
            verified = verify_authentication_response(
                credential=dict(given),
                expected_challenge=base64url_to_bytes(challenge),
                expected_rp_id=party.id,
                expected_origin=party.origin,
                credential_public_key=base64url_to_bytes(found["public_key"]),
                credential_current_sign_count=found["sign_count"],
                require_user_verification=True,
            )
        session = new_session(self._core, person, user_agent=user_agent, key_id=found["key_id"])
        now = to_micros(self._core.clock.now())
        async with self._core.db.transaction() as transaction:
            [used] = await transaction.write(
                [queries.record_use(found["passkey_id"], found["sign_count"], verified.new_sign_count, now)]
            )
            if not used.rowcount:
                raise Unauthorized("refused")
            await transaction.write([session.statement])
        return session

    def _party(self) -> RelyingParty:
        party = relying_party(self._core.links.base_url)
        if party is None:
            raise Conflict("passkeys need a host name: the deployment's URL has an address")
        return party


def relying_party(base_url: str) -> RelyingParty | None:
    """Who asks for passkeys at that URL; None for an address, since only a domain can (section 5.4.2, `rp.id`).

    An address of this machine is asked for as `localhost`, which its pages can be opened at too.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    # The origin of a page leaves out the port of its scheme (RFC 6454 section 6.2).
    port = f":{parts.port}" if parts.port not in {None, _PORTS.get(parts.scheme)} else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return RelyingParty(host, f"{parts.scheme}://{host}{port}") if host else None
    return RelyingParty("localhost", f"{parts.scheme}://localhost{port}") if address.is_loopback else None


@contextmanager
def _refusing(refusal: E2AError) -> Iterator[None]:
    """Raises `refusal` for what the library raises if an answer is malformed or does not fit."""
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        yield
    except (
        WebAuthnException,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        ArithmeticError,
    ):
        raise refusal from None


def _parsed(credential: str) -> dict[str, Any]:
    """Raises `InvalidRequest` for what is no object."""
    try:
        given = json.loads(credential) if len(credential) <= CREDENTIAL_OCTETS else None
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise InvalidRequest("this is no answer of a device")
    return given


def _name(text: str) -> str:
    name = require_storable(text.strip(), "name") or "Passkey"
    if len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise InvalidRequest(
            f"a name has at most {MAX_NAME_CHARS} characters, all of them printable", location="name"
        )
    return name
