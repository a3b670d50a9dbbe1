"""Parses the DMARC policy record (RFC 9989, section 4.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, cast

from e2a_core.authentication.results import DmarcPolicy

__all__ = ["DmarcRecord", "is_dmarc_record", "parse_record"]

Psd: TypeAlias = Literal["y", "n", "u"]

_VERSION = re.compile(rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_REPORT_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s,;]+\Z")
_POLICIES = frozenset({"none", "quarantine", "reject"})
_BLANKS = " \t\r\n"
_POLICY_TAGS = ("p", "sp", "np")


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """The tags of a domain's DMARC record that evaluation needs."""

    policy: DmarcPolicy
    subdomain_policy: DmarcPolicy | None = None
    nonexistent_policy: DmarcPolicy | None = None
    strict_spf: bool = False
    strict_dkim: bool = False
    psd: Psd = "u"
    testing: bool = False

    def policy_for(self, *, subdomain: bool, exists: bool) -> DmarcPolicy:
        """The policy that applies: p for the record's own domain, sp for a subdomain, np for a nonexistent one."""
        if not subdomain:
            return self.policy
        inherited = self.subdomain_policy or self.policy
        return inherited if exists else self.nonexistent_policy or inherited


def is_dmarc_record(text: bytes) -> bool:
    """Whether a TXT record is a DMARC record: it begins with v=DMARC1, whose value is case-sensitive."""
    return _VERSION.match(text) is not None


@lru_cache(maxsize=256)
def parse_record(text: bytes) -> DmarcRecord | None:
    """Parse a record; returns None if it has no valid policy and no report address, and so asks for nothing.

    Ignores unknown tags, unknown values of tags other than the policies, and everything else that is malformed behind
    the version (section 4.7). The first of repeated tags counts.
    """
    tags = _tags(text)
    policies = {name: tags[name].lower() for name in _POLICY_TAGS if name in tags}
    if "p" not in policies or any(value not in _POLICIES for value in policies.values()):
        # With a report address, the record counts as p=none (section 4.10.1).
        if not any(_REPORT_URI.match(uri.strip()) for uri in tags.get("rua", "").split(",")):
            return None
        policies = {}
    psd = tags.get("psd", "u").lower()
    return DmarcRecord(
        policy=cast(DmarcPolicy, policies.get("p", "none")),
        subdomain_policy=cast("DmarcPolicy | None", policies.get("sp")),
        nonexistent_policy=cast("DmarcPolicy | None", policies.get("np")),
        strict_spf=tags.get("aspf", "r").lower() == "s",
        strict_dkim=tags.get("adkim", "r").lower() == "s",
        psd=cast(Psd, psd if psd in {"y", "n"} else "u"),
        testing=tags.get("t", "n").lower() == "y",
    )


def _tags(text: bytes) -> dict[str, str]:
    tags: dict[str, str] = {}
    for specification in text.decode("utf-8", "replace").split(";"):
        raw_name, equals, raw_value = specification.partition("=")
        name, value = raw_name.strip(_BLANKS).lower(), raw_value.strip(_BLANKS)
        if equals and _TAG_NAME.match(name) and (value or name in _POLICY_TAGS):
            tags.setdefault(name, value)
    return tags
