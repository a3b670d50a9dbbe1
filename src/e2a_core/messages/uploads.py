"""Files that a person gives on a page, kept between the steps of a form.

Each is content that no message has yet, which retention deletes after an hour or so. Nobody else can name one: its name
is the hash of bytes with a secret of this upload among them, and it is found for its person alone.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
import unicodedata
from dataclasses import dataclass

from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.json_encoding import compact_json
from e2a_core.messages import queries
from e2a_core.store.statement import first

__all__ = ["Upload", "find_upload", "keep_upload", "safe_file_name"]

MAX_NAME_CHARS = 120
"""Mail programs and file systems cut longer names, each in its way."""
MAX_ENDING_CHARS = 11
"""With its dot; a longer one says nothing about the kind of a file."""
UNKNOWN_TYPE = "application/octet-stream"

_UPLOAD = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TYPE = re.compile(r"(?!multipart/)[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}", re.ASCII)
_RESERVED = re.compile(r'[<>:"|?*]')
"""In a name they are an address of a device or a stream, or cannot be saved, on Windows."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file with its content; `id` names it in the next step of the form."""

    id: str
    filename: str
    content_type: str
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)


async def keep_upload(core: Core, person_id: str, filename: str, content_type: str, data: bytes) -> Upload:
    """Keeps a file as a browser sent it, under a name that is safe to send on."""
    name = safe_file_name(filename)
    kind = content_type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind):
        kind = mimetypes.guess_type(name)[0] or UNKNOWN_TYPE
    head = {"person": person_id, "secret": core.ids.secret(), "filename": name, "content_type": kind}
    stored = compact_json(head).encode() + b"\n" + data
    upload_id = await core.offload.run(len(stored), _digest, stored)
    await core.db.write([queries.insert_content(upload_id, stored, to_micros(core.clock.now()))])
    return Upload(upload_id, name, kind, data)


async def find_upload(core: Core, person_id: str, upload_id: str) -> Upload | None:
    """The file, or None if it is not there any more or is not this person's."""
    if not _UPLOAD.fullmatch(upload_id):
        return None
    found = first(await core.db.read(queries.content(upload_id)))
    if found is None:
        return None
    head, _, data = bytes(found["data"]).partition(b"\n")
    try:
        members = json.loads(head)
    except ValueError:
        return None  # it is a message
    if not isinstance(members, dict) or members.get("person") != person_id:
        return None
    return Upload(upload_id, members["filename"], members["content_type"], data)


def safe_file_name(given: str) -> str:
    """The last component of a name, in one line in which nothing hides, and without what names a device or a stream."""
    name = unicodedata.normalize("NFC", given).replace("\\", "/").rpartition("/")[2]
    # Not printable are controls and what changes the order of letters: a .exe can look like a .txt by it.
    name = "".join(character for character in name if character.isprintable())
    name = _RESERVED.sub("_", name).strip(" .")
    if len(name) > MAX_NAME_CHARS:
        ending = name[name.rfind(".") :] if "." in name[-MAX_ENDING_CHARS:] else ""
        name = f"{name[: MAX_NAME_CHARS - len(ending)].rstrip(' .')}{ending}"
    return name or "file"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
