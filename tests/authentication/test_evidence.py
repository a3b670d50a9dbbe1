from __future__ import annotations

import json
from typing import Any

import pytest

from e2a_core.authentication.evidence import AuthenticationEvidence
from e2a_core.authentication.results import ArcResult, DkimResult, DmarcResult, SpfResult


def evidence(**changes: Any) -> AuthenticationEvidence:
    parts: dict[str, Any] = {
        "spf": SpfResult("pass", "mail.example.com", "mx"),
        "dkim": (DkimResult("fail", "example.net", "a", "no"), DkimResult("pass", "example.com", "s1")),
        "dmarc": DmarcResult(
            "pass", "example.com", "reject", "record", spf_aligned=True, dkim_aligned=(False, True)
        ),
        "arc": ArcResult("pass", ("one.example", "two.example")),
    }
    return AuthenticationEvidence(**parts | changes)


def test_the_shape_on_the_wire() -> None:
    assert json.loads(json.dumps(evidence().to_json())) == {
        "spf": {"status": "pass", "domain": "mail.example.com", "aligned": True, "detail": "mx"},
        "dkim": [
            {"status": "fail", "domain": "example.net", "selector": "a", "aligned": None, "detail": "no"},
            {"status": "pass", "domain": "example.com", "selector": "s1", "aligned": True},
        ],
        "dmarc": {
            "status": "pass",
            "domain": "example.com",
            "policy": "reject",
            "aligned_by": ["spf", "dkim"],
            "detail": "record",
        },
        "arc": {"status": "pass", "sealer": "two.example"},
    }


def test_alignment_is_null_without_a_record() -> None:
    dmarc = DmarcResult("none", "example.com", spf_aligned=True, dkim_aligned=(False, True))
    subject = evidence(dmarc=dmarc, arc=ArcResult("none"))

    wire = subject.to_json()

    assert wire["spf"]["aligned"] is None
    assert [item["aligned"] for item in wire["dkim"]] == [None, None]
    assert wire["dmarc"] == {"status": "none", "domain": "example.com", "policy": None, "aligned_by": []}
    assert wire["arc"] == {"status": "none", "sealer": None}
    assert subject.verified_domain is None
    assert subject.verified


def test_a_failure_names_no_mechanism_and_verifies_nothing() -> None:
    dmarc = DmarcResult("fail", "example.com", "reject", dkim_aligned=(False, False))
    subject = evidence(dmarc=dmarc)

    assert subject.to_json()["dmarc"]["aligned_by"] == []
    assert subject.to_json()["spf"]["aligned"] is False
    assert not subject.verified
    assert not subject.dmarc_pass


def test_verified_domain() -> None:
    assert evidence().verified_domain == "example.com"


@pytest.mark.parametrize(
    ("statuses", "word"),
    [
        ([], "none"),
        (["fail", "pass"], "pass"),
        (["none", "temperror", "fail"], "temperror"),
        (["policy"], "policy"),
    ],
)
def test_one_word_for_all_signatures(statuses: list[Any], word: str) -> None:
    dkim = tuple(DkimResult(status) for status in statuses)
    dmarc = DmarcResult("fail", dkim_aligned=(False,) * len(dkim))
    assert evidence(dkim=dkim, dmarc=dmarc).domain_check == f"spf=pass; dkim={word}; dmarc=fail"
