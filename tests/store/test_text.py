"""Text in SQL: what both databases must agree on."""

from __future__ import annotations

import pytest

from e2a_core.store import Database, first, sql

pytestmark = pytest.mark.anyio


async def test_lower_folds_every_alphabet(database: Database) -> None:
    await database.write([sql("INSERT INTO meta (key, value) VALUES ('k', 'ÄRGER in ΑΘΗΝΑ и МОСКВА')")])
    found = "SELECT lower(value) AS folded FROM meta WHERE lower(value) LIKE :part"
    row = first(await database.read(sql(found, part="%ärger%αθηνα%москва")))
    assert row == {"folded": "ärger in αθηνα и москва"}


async def test_lower_of_nothing_is_nothing(database: Database) -> None:
    assert first(await database.read(sql("SELECT lower(NULL) AS folded"))) == {"folded": None}


async def test_lower_folds_in_writes_too(database: Database) -> None:
    await database.write([sql("INSERT INTO meta (key, value) VALUES ('k', lower('Ä'))")])
    async with database.transaction() as transaction:
        row = first(await transaction.read(sql("SELECT lower(value || 'É') AS folded FROM meta")))
    assert row == {"folded": "äé"}
