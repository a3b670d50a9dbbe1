"""`e2a backup`, `e2a restore`: a copy of a home while it runs, and a home made of one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from e2a_core.clock import SystemClock, rfc3339
from e2a_core.errors import SettingsError
from e2a_core.settings import Settings, load_settings
from e2a_core.store.open import sqlite_path
from e2a_core.store.private import FILE_MODE, FOLDER_MODE
from e2a_mcp.program.commands.progress import counting
from e2a_mcp.program.failed import Failed
from e2a_mcp.program.output import note, result, result_json
from e2a_mcp.version import VERSION

__all__ = ["backup", "restore"]

DATABASE = "e2a.db"
CONFIGURATION = "config.toml"
BESIDE = ("secret", CONFIGURATION, "config.json")
"""The other files of a home that cannot be made again."""
MANIFEST = "manifest.json"
PAGES_AT_ONCE = 2048
CHUNK_OCTETS = 1024 * 1024
MAX_OCTETS = 1024 * 1024
"""Of a file beside the database: each has a few lines."""

Json = Annotated[bool, Parameter(help="Print what was written as JSON.")]


def backup(
    folder: Annotated[Path, Parameter(help="The folder to make; it must not exist.")],
    /,
    *,
    json: Json = False,
) -> int:
    """Copy a home with its secrets into a new folder, while it is served, and verify the copy."""
    settings = load_settings()
    database = _database_of(settings)
    if not database.is_file():
        raise SettingsError(f"{settings.home} has no database to copy")
    with _complete(folder) as made:
        _copy_database(database, made / DATABASE)
        names = [DATABASE]
        for name in BESIDE:
            if (settings.home / name).is_file():
                _copy(settings.home / name, made / name)
                names.append(name)
        manifest = {
            "version": VERSION,
            "created_at": rfc3339(SystemClock().now()),
            "files": {name: _digest(made / name) for name in names},
        }
        _write(made / MANIFEST, (json_text(manifest) + "\n").encode())
        _verify(made)
    if settings.hmac_secret:
        note("E2A_HMAC_SECRET is set outside the home and is not in the copy: keep it beside")
    _tell({"path": str(folder), **manifest}, f"{folder} holds a verified copy of {settings.home}", json)
    return 0


def restore(
    folder: Annotated[Path, Parameter(help="The folder that `e2a backup` made.")], /, *, json: Json = False
) -> int:
    """Make a home of a backup, after verifying it. A home or a database that is there is never written over."""
    manifest = _verify(folder)
    settings = load_settings()
    home, database = settings.home, _destination(settings, folder, manifest["files"])
    taken = [path for path in (database, *(home / name for name in (*BESIDE, DATABASE))) if path.exists()]
    if taken:
        raise SettingsError(f"{taken[0]} exists, and nothing is written over; set E2A_HOME to a new folder")
    home.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    written: list[Path] = []
    try:
        for name, digest in manifest["files"].items():
            path = database if name == DATABASE else home / name
            _copy(folder / name, path)
            written.append(path)
            if _digest(path) != digest:
                raise Failed(f"{path} is not what was copied", code="damaged")
    except BaseException as problem:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(problem, OSError):
            raise Failed(f"{home} cannot be written: {problem.strerror}", code="failed") from None
        raise
    _tell({"home": str(home), **manifest}, f"{home} is as it was at {manifest['created_at']}", json)
    return 0


def _database_of(settings: Settings) -> Path:
    url = settings.effective_database_url
    if not url.lower().startswith("sqlite:"):
        raise SettingsError(
            "this home keeps its mail in PostgreSQL: copy it with pg_dump, and the file `secret`"
        )
    return sqlite_path(url)


def _destination(settings: Settings, folder: Path, files: Mapping[str, str]) -> Path:
    """Where the database goes. The copied `config.toml` may name another place, which only E2A_DATABASE_URL confirms
    if it is outside the home: what made the copy must not choose files of this machine.
    """
    if settings.database_url or CONFIGURATION not in files:
        return _database_of(settings)
    try:
        named = tomllib.loads(_content(folder / CONFIGURATION).decode()).get("database_url")
    except ValueError:
        raise SettingsError(f"{folder / CONFIGURATION} is no TOML") from None
    if not named:
        return settings.home / DATABASE
    place = sqlite_path(str(named))
    if not place.resolve().is_relative_to(settings.home.resolve()):
        raise SettingsError(
            f"the copy is of a database at {place}, outside the home; "
            f"set E2A_DATABASE_URL=sqlite:///{place} to have it there"
        )
    return place


def _copy_database(source: Path, target: Path) -> None:
    """One state of the database, whatever is written meanwhile: a reader's snapshot does not move (SQLite, WAL)."""
    _write(target, b"")
    with closing(_opened(source)) as reading, closing(sqlite3.connect(target)) as copy:
        total = int(reading.execute("PRAGMA page_count").fetchone()[0])
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        with counting("copying", total) as advance:
            reading.backup(copy, pages=PAGES_AT_ONCE, progress=_steps(advance), sleep=0)
        # One file is easier to keep than three.
        copy.execute("PRAGMA journal_mode = DELETE")


def _steps(advance: Callable[[int], None]) -> Callable[[int, int, int], None]:
    before: list[int] = []

    def progress(status: int, remaining: int, total: int) -> None:
        advance((before[-1] if before else total) - remaining)
        before.append(remaining)

    return progress


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


def _verify(folder: Path) -> Mapping[str, Any]:
    """The manifest of a copy whose files are what it says and whose database is sound. Raises `Failed`."""
    try:
        manifest = json.loads(_content(folder / MANIFEST))
        files = dict(manifest["files"])
        if DATABASE not in files or not files.keys() <= {DATABASE, *BESIDE}:
            raise ValueError
        for name, digest in files.items():
            _require_file(folder / name, None if name == DATABASE else MAX_OCTETS)
            if _digest(folder / name) != digest:
                raise Failed(f"{folder / name} is not what was copied", code="damaged")
        with closing(_opened(folder / DATABASE)) as database:
            found = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
            astray = database.execute("PRAGMA foreign_key_check").fetchone()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise SettingsError(f"{folder} is no folder that `e2a backup` made") from None
    except sqlite3.Error as problem:
        raise Failed(f"{folder / DATABASE} is damaged: {problem}", code="damaged") from None
    if found != "ok" or astray:
        raise Failed(f"{folder / DATABASE} is damaged: {found}", code="damaged")
    checked: Mapping[str, Any] = manifest
    return checked


@contextmanager
def _complete(folder: Path) -> Iterator[Path]:
    """A new folder that gets its name once it is complete; nothing is left of it otherwise."""
    if folder.exists():
        raise SettingsError(f"{folder} exists, and nothing is written over")
    partial = folder.absolute().with_name(f".{folder.absolute().name}.partial-{os.getpid()}")
    try:
        partial.mkdir(mode=FOLDER_MODE, parents=True)
        yield partial
        partial.rename(folder)
    except (OSError, sqlite3.Error) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise Failed(f"{folder} cannot be written: {reason}", code="failed") from None
    finally:
        with suppress(OSError):
            shutil.rmtree(partial)


def _copy(source: Path, target: Path) -> None:
    """Makes `target`, or leaves nothing there; a file that is there already stays."""
    opened = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(opened, "wb") as written, source.open("rb") as read:
            shutil.copyfileobj(read, written, CHUNK_OCTETS)
            written.flush()
            os.fsync(written.fileno())
    except BaseException:
        target.unlink()
        raise


def _write(path: Path, content: bytes) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(opened, "wb") as written:
        written.write(content)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_file(path: Path, most: int | None) -> None:
    """Raises `ValueError` for a link, a device or a pipe, and for more than `most` octets."""
    about = path.lstat()
    if not stat.S_ISREG(about.st_mode) or (most is not None and about.st_size > most):
        raise ValueError


def _content(path: Path) -> bytes:
    _require_file(path, MAX_OCTETS)
    return path.read_bytes()


def json_text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2)


def _tell(content: Mapping[str, Any], sentence: str, as_json: bool) -> None:
    if as_json:
        result_json(content)
    else:
        result(sentence)
