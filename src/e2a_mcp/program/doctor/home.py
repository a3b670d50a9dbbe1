"""The home: its folder, the modes of its files, its secret. Nothing is made or mended."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from e2a_core.secret_strength import MIN_BYTES, weakness
from e2a_core.setting_kinds import comma_list
from e2a_core.settings import Settings
from e2a_core.store.private import FILE_MODE, FOLDER_MODE, is_open_to_others
from e2a_mcp.program.doctor.finding import Finding, Status, fail, passed, skip, warn

__all__ = ["check_folder", "check_home"]

PRIVATE_NAMES = (
    "secret",
    "config.toml",
    "config.json",
    "run.json",
    "e2a.db",
    "e2a.db-wal",
    "e2a.db-shm",
    "e2a.db-journal",
)


def check_home(settings: Settings) -> list[Finding]:
    """The folder, its files and its secret. A home that was never started is no fault."""
    home = settings.home
    folder = check_folder(home)
    if folder.status is not Status.PASS and folder.reason_code != "open_to_others":
        return [folder]
    try:
        return [folder, _files(home), _secret(settings)]
    except OSError as problem:
        return [folder, _unreadable(home, problem)]


def check_folder(home: Path) -> Finding:
    """The folder alone, which can be looked at without settings."""
    try:
        return _folder(home)
    except OSError as problem:
        return _unreadable(home, problem)


def _unreadable(home: Path, problem: OSError) -> Finding:
    return fail(
        "home.folder",
        "not_readable",
        f"cannot be read: {problem.strerror}",
        f"run this as the user who owns {home}, or give it to that user with chown",
        target=str(home),
    )


def _folder(home: Path) -> Finding:
    place = str(home)
    if not home.exists():
        return _absent(home)
    if not home.is_dir():
        return fail(
            "home.folder", "not_a_folder", "is not a folder", "set E2A_HOME to a folder", target=place
        )
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return fail(
            "home.folder",
            "not_writable",
            "this user cannot read and write it",
            f"run e2a as the user who owns {home}, or give it to that user with chown",
            target=place,
        )
    if is_open_to_others(home):
        return fail(
            "home.folder",
            "open_to_others",
            f"has mode {_mode(home)}, so other users of this machine may have read mail and keys",
            f"chmod {FOLDER_MODE:o} {quote(str(home))}",
            target=place,
            mode=_mode(home),
        )
    return passed("home.folder", f"mode {_mode(home)}", target=place, mode=_mode(home))


def _absent(home: Path) -> Finding:
    above = next(parent for parent in home.parents if parent.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        return fail(
            "home.folder",
            "not_writable",
            f"does not exist, and this user cannot make it in {above}",
            f"mkdir -m {FOLDER_MODE:o} {quote(str(home))} as a user who may, and give it to this one; or set E2A_HOME",
            target=str(home),
        )
    return skip(
        "home.folder", "not_started", "does not exist yet", fix="e2a serve makes it", target=str(home)
    )


def _files(home: Path) -> Finding:
    present = [path for name in PRIVATE_NAMES if (path := home / name).exists()]
    opened = [path for path in present if is_open_to_others(path)]
    if opened:
        names = " ".join(path.name for path in opened)
        return fail(
            "home.files",
            "open_to_others",
            f"{', '.join(f'{path.name} has mode {_mode(path)}' for path in opened)}",
            f"cd {quote(str(home))} && chmod {FILE_MODE:o} {names}",
            target=str(home),
            files={path.name: _mode(path) for path in opened},
        )
    closed = [path.name for path in present if not os.access(path, os.R_OK | os.W_OK)]
    if closed:
        return fail(
            "home.files",
            "not_writable",
            f"this user cannot read and write {', '.join(closed)}",
            f"run e2a as the user who owns the files in {home}, or give them to that user with chown",
            target=str(home),
        )
    return passed("home.files", f"{len(present)} files that only their owner can read", target=str(home))


def _secret(settings: Settings) -> Finding:
    path = settings.home / "secret"
    if settings.hmac_secret:
        return _configured_secret(comma_list(settings.hmac_secret), path)
    restore = (
        f"restore {path} from a backup, or set E2A_HMAC_SECRET to what it held; if it is lost, "
        f"rm -f {quote(str(path))}: e2a serve makes a new one, and signature.dkim names the keys to replace"
    )
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        if not (settings.home / "e2a.db").exists():
            return skip("home.secret", "not_started", "is made by the first start")
        return fail(
            "home.secret",
            "secret_missing",
            "is gone, so stored DKIM keys cannot be opened",
            restore,
            target=str(path),
        )
    except UnicodeDecodeError:
        text = ""
    if len(text) < MIN_BYTES:
        return fail("home.secret", "secret_damaged", "is too short to be a secret", restore, target=str(path))
    return passed("home.secret", "is there", target=str(path))


def _configured_secret(secrets: Sequence[str], path: Path) -> Finding:
    """The secret of the settings, which has to be strong, and to list the one that the home was made with."""
    id, target = "home.secret", str(path)
    weak = weakness(secrets[0])
    if weak:
        new = "$(python3 -c 'import secrets; print(secrets.token_hex(32))')"
        where = "put a new one in front, in the file too that E2A_HMAC_SECRET_FILE may name"
        fix = f'{where}: E2A_HMAC_SECRET="{new},$E2A_HMAC_SECRET"'
        return warn(id, "secret_weak", f"E2A_HMAC_SECRET {weak}", fix)
    try:
        kept = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        kept = ""
    if kept and kept not in secrets:
        append = f'E2A_HMAC_SECRET="$E2A_HMAC_SECRET,$(cat {quote(target)})"'
        fix = (
            f"{append}; so too in the file that E2A_HMAC_SECRET_FILE may name; "
            f"or, if nothing of before is wanted, rm {quote(target)}"
        )
        detail = "holds a secret that E2A_HMAC_SECRET does not list, so what was made with it counts no more"
        return warn(id, "secret_differs", detail, fix, target=target)
    return passed(id, "set by E2A_HMAC_SECRET")


def _mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"
