"""Sets a host up, and undoes it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from dataclasses import replace as with_
from pathlib import Path

from e2a_mcp.program.hosts import files
from e2a_mcp.program.hosts.edit import Change, Format, Text, put, take_back
from e2a_mcp.program.hosts.entry import Entry
from e2a_mcp.program.hosts.files import ChangedMeanwhile, Snapshot, digest
from e2a_mcp.program.hosts.journal import Done, Journal
from e2a_mcp.program.hosts.places import shown
from e2a_mcp.program.hosts.problems import BrokenFile, HostProblem
from e2a_mcp.program.hosts.shown import difference
from e2a_mcp.program.hosts.table import Host, Setting, members

__all__ = ["Outcome", "install", "undo"]

ATTEMPTS = 5
"""At a file that its host writes at the same time."""
USER_MODE = 0o600
PROJECT_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, or would be, to one file."""

    host: Host
    path: Path
    state: str
    """`installed`, `unchanged`, `restored` (byte for byte), `removed` (our part), `nothing to undo`, or `would ...`."""
    diff: str = ""
    copy: Path | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    was: Snapshot
    content: bytes
    changes: tuple[Change, ...]
    diff: str


def install(
    host: Host,
    path: Path,
    entry: Entry,
    journal: Journal,
    *,
    project: bool = False,
    dry: bool = False,
    force: bool = False,
) -> Outcome:
    """Writes the entry into the host's file, unless it is there already.

    Raises `HostProblem`, and then the file is as it was; `BrokenFile` says where it does not parse.
    """
    if dry:
        plan = _plan(host, path, entry, _ours(journal.read(), path), force=force)
        return Outcome(host, path, "would install" if plan.changes else "unchanged", plan.diff)
    with journal.locked():
        for _ in range(ATTEMPTS):
            done = journal.read()
            plan = _plan(host, path, entry, _ours(done, path), force=force)
            if not plan.changes:
                return Outcome(host, path, "unchanged")
            try:
                return _carry_out(host, path, plan, journal, done, project=project)
            except ChangedMeanwhile:
                time.sleep(0.05)
    raise HostProblem(f"{path} is written by another program all the time; close {host.title} first")


def undo(host: Host, path: Path, journal: Journal, *, dry: bool = False) -> Outcome:
    """Restores the file byte for byte if nobody changed it since; otherwise takes out what was put in.

    Raises `HostProblem`.
    """
    if dry:
        return _undo(host, path, journal, dry=True)
    with journal.locked():
        for _ in range(ATTEMPTS):
            try:
                return _undo(host, path, journal, dry=False)
            except ChangedMeanwhile:
                time.sleep(0.05)
    raise HostProblem(f"{path} is written by another program all the time; close {host.title} first")


# Installing


def _plan(host: Host, path: Path, entry: Entry, ours: list[Change], *, force: bool) -> _Plan:
    was = _read(path)
    text = Text.decode_of(path, was.content or b"")
    form = host.form()
    try:
        wanted = members(host, entry, form.load(text.plain))
    except BrokenFile as problem:
        raise _broken(path, problem, form, members(host, entry, {})) from None
    after, changes = text.plain, []
    for place, value in wanted:
        changed, change = _put(form, after, path, (place, value))
        if change.had and change.before == value:
            continue
        if (
            change.had
            and not force
            and not any(each.place == place and each.after == change.before for each in ours)
        ):
            raise HostProblem(
                f"{path} has another {shown(place)}, which e2a did not write; --force replaces it"
            )
        after = changed
        changes.append(change)
    diff = difference(text.plain, after, str(path), [value for _, value in wanted]) if changes else ""
    return _Plan(was, text.encode(after), tuple(changes), diff)


def _put(form: Format, text: str, path: Path, member: Setting) -> tuple[str, Change]:
    try:
        return put(form, text, *member)
    except HostProblem as problem:
        raise HostProblem(f"{path}: {problem}; paste this yourself", form.snippet(*member)) from None


def _broken(path: Path, problem: BrokenFile, form: Format, wanted: list[Setting]) -> HostProblem:
    pasted = "\n".join(form.snippet(place, value) for place, value in wanted)
    return HostProblem(f"{path} stays as it is, for {problem}; mend it, or paste this yourself", pasted)


def _carry_out(
    host: Host, path: Path, plan: _Plan, journal: Journal, done: list[Done], *, project: bool
) -> Outcome:
    copy = journal.keep(host.key, plan.was.content) if plan.was.content is not None else None
    after = digest(plan.content) or ""
    entry = Done(host.key, str(path), project, digest(plan.was.content), after, (), plan.changes)
    # The journal comes first: an entry without its change does no harm, a change without its entry cannot be undone.
    journal.write([*done, entry])
    try:
        made = files.replace(plan.was, plan.content, mode_if_new=PROJECT_MODE if project else USER_MODE)
    except (HostProblem, ChangedMeanwhile):
        journal.write(done)
        raise
    if made:
        journal.write([*done, with_(entry, folders=tuple(map(str, made)))])
    return Outcome(host, path, "installed", plan.diff, copy)


def _ours(done: list[Done], path: Path) -> list[Change]:
    return [change for entry in done if entry.path == str(path) for change in entry.changes]


def _read(path: Path) -> Snapshot:
    try:
        return files.read(path)
    except HostProblem as problem:
        raise HostProblem(f"{path} {problem}") from None


# Undoing


def _undo(host: Host, path: Path, journal: Journal, *, dry: bool) -> Outcome:
    done = journal.read()
    mine = [entry for entry in done if entry.host == host.key and entry.path == str(path)]
    if not mine:
        return Outcome(host, path, "nothing to undo")
    was = _read(path)
    content, exact = was.content, True
    for entry in reversed(mine):
        content, restored = _before(host, path, content, entry, journal)
        exact = exact and restored
    state = "restored" if exact else "removed"
    diff = _undone(was.content, content, path, mine)
    if dry:
        return Outcome(host, path, f"would be {state}", diff)
    if content is None:
        files.remove(was, [Path(folder) for entry in mine for folder in entry.folders])
    elif content != was.content:
        files.replace(was, content, mode_if_new=USER_MODE)
    journal.write([entry for entry in done if entry not in mine])
    if exact:
        for entry in mine:
            if entry.sha_before:
                journal.copy(host.key, entry.sha_before).unlink(missing_ok=True)
    return Outcome(host, path, state, diff)


def _before(
    host: Host, path: Path, content: bytes | None, entry: Done, journal: Journal
) -> tuple[bytes | None, bool]:
    """Returns what was there before one entry, and whether it is that byte for byte."""
    if digest(content) == entry.sha_before:
        return content, True
    if content is None:
        return None, False
    if digest(content) == entry.sha_after:
        if entry.sha_before is None:
            return None, True
        copy = journal.copy(host.key, entry.sha_before)
        if copy.exists() and digest(copy.read_bytes()) == entry.sha_before:
            return copy.read_bytes(), True
    text = Text.decode_of(path, content)
    form, after = host.form(), text.plain
    try:
        for change in reversed(entry.changes):
            after = take_back(form, after, change)
    except HostProblem as problem:
        raise HostProblem(f"{path}: {problem}") from None
    return text.encode(after), False


def _undone(was: bytes | None, now: bytes | None, path: Path, mine: list[Done]) -> str:
    ours = [change.after for entry in mine for change in entry.changes]
    before = Text.decode_of(path, was or b"").plain
    return difference(before, Text.decode_of(path, now or b"").plain, str(path), ours)
