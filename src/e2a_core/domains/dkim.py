"""DKIM signing keys: created at first use or before, stored encrypted, decrypted once per process."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass

from anyio import Lock
from anyio.to_thread import run_sync

from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.domains import queries
from e2a_core.domains.queries import DkimKeyRow, dkim_key_from
from e2a_core.signing.dkim import (
    DkimKey,
    KeyDecryptionError,
    decrypt_key,
    encrypt_key,
    selector_for,
    sign,
)
from e2a_core.store.statement import first

__all__ = ["SigningKey", "SigningKeys", "new_dkim_key"]

KEPT_OPEN = 256
"""Number of decrypted keys kept. Opening an RSA key takes tens of milliseconds, an open key a few kilobytes."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key, domain (d=) and selector (s=) of DKIM signatures."""

    domain: str
    selector: str
    key: DkimKey


async def new_dkim_key(core: Core, domain: str, *, selectors: Container[str] = ()) -> DkimKeyRow:
    """Creates a key for `domain`, without storing it, with a selector that is not in `selectors`."""
    key, now = await run_sync(DkimKey.generate), core.clock.now()
    return DkimKeyRow(
        domain=domain,
        selector=_free_selector(selector_for(now), selectors),
        algorithm=key.algorithm,
        private_key=encrypt_key(key, domain, core.secrets.signing, core.ids),
        public_key=key.dns_record(),
        created_at=to_micros(now),
    )


def _free_selector(base: str, taken: Container[str]) -> str:
    """Returns `base`, the selector of the month, or the first free one of `base-2`, `base-3`, ..."""
    selector, number = base, 1
    while selector in taken:
        number += 1
        selector = f"{base}-{number}"
    return selector


class SigningKeys:
    """The signing keys of this deployment's domains; one instance per process.

    The current key is looked up in the store each time, so that a retired key is not used again.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._open: OrderedDict[tuple[str, bytes], SigningKey] = OrderedDict()
        self._slow_path = Lock()

    async def current(self, domain: str) -> SigningKey | None:
        """Returns the current signing key of `domain`, creating it if it has none.

        Returns None if the domain is not registered and verified, or if no configured secret decrypts its key.
        """
        row = first(await self._core.db.read(queries.signing_domain(domain)))
        if row is None:
            return None
        if row["selector"] is not None and (known := self._known(dkim_key_from(row))):
            return known
        async with self._slow_path:
            stored = await self._stored_or_made(domain)
            if stored is None:
                return None
            return self._known(stored) or await self._opened(stored)

    async def signature(self, domain: str, content: bytes) -> bytes:
        """Returns the `DKIM-Signature` field to prepend to `content`; empty if `domain` has no usable key."""
        current = await self.current(domain)
        if current is None:
            return b""
        # Signing takes a millisecond, in which the interpreter is free, and longer for long content.
        return await run_sync(sign, content, current.key, current.domain, current.selector, self._core.clock)

    def _known(self, row: DkimKeyRow) -> SigningKey | None:
        found = self._open.get((row.domain, row.private_key))
        if found is not None:
            self._open.move_to_end((row.domain, row.private_key))
        return found

    async def _stored_or_made(self, domain: str) -> DkimKeyRow | None:
        row = first(await self._core.db.read(queries.signing_domain(domain)))
        if row is None:
            return None
        if row["selector"] is not None:
            return dkim_key_from(row)
        await self._core.db.write([queries.insert_dkim_key(await self._new_key(domain))])
        # Several processes may have created a key; all use the one that was stored first.
        row = first(await self._core.db.read(queries.signing_domain(domain)))
        return None if row is None else dkim_key_from(row)

    async def _new_key(self, domain: str) -> DkimKeyRow:
        known = await self._core.db.read(queries.dkim_keys_of([domain]))
        return await new_dkim_key(self._core, domain, selectors={row["selector"] for row in known})

    async def _opened(self, row: DkimKeyRow) -> SigningKey | None:
        try:
            key = await run_sync(decrypt_key, row.private_key, row.domain, self._core.secrets)
        except KeyDecryptionError as problem:
            _log.warning("mail of %s is sent unsigned: %s", row.domain, problem)
            return None
        opened = self._open[(row.domain, row.private_key)] = SigningKey(row.domain, row.selector, key)
        if len(self._open) > KEPT_OPEN:
            self._open.popitem(last=False)
        return opened
