"""Files that go with what a person writes: chosen, told with their sizes, kept while a form is corrected, and sent."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace

from e2a_core.accounts.limits import refuse_beyond_plan
from e2a_core.contract.limits import MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MAX_ATTACHMENTS_BYTES
from e2a_core.contract.sending import Attachment
from e2a_core.errors import Forbidden, InvalidRequest
from e2a_core.http.pages.guards import SentFile
from e2a_core.http.pages.sheet import Field, Note
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import count_words, line, size_words
from e2a_core.messages.uploads import Upload, find_upload, keep_upload

__all__ = ["FILES", "FILES_HINT", "FILES_OCTETS", "Attached", "attachment", "kept_files", "with_new_files"]

FILES = "files"
"""The field in which a browser sends files."""
_KEPT = "upload"
_TOLD = "told"
"""The field in which the script says the sum that it showed beside the chosen files, so that nobody is asked twice."""
FILES_OCTETS = MAX_ATTACHMENTS_BYTES + 1024 * 1024
"""A form with the largest set of files, and the texts beside them."""
FILES_HINT = (
    f"At most {MAX_ATTACHMENTS} files of {size_words(MAX_ATTACHMENT_BYTES)} each, "
    f"{size_words(MAX_ATTACHMENTS_BYTES)} together."
)


@dataclass(frozen=True, slots=True)
class Attached:
    """The files of a form. `lost` counts those that are not there any more; `untold` if the sum was not shown yet."""

    uploads: Sequence[Upload] = ()
    lost: int = 0
    untold: bool = False

    @property
    def words(self) -> str:
        """`2 files, 1.3 MB together`."""
        size = sum(item.size for item in self.uploads)
        return f"{count_words(len(self.uploads), 'file')}, {size_words(size)} together"

    @property
    def notes(self) -> list[Note]:
        if not self.untold:
            return []
        return [
            Note(f"Attached: {self.words}.", "Nothing is sent yet. Take away what should not go, then send.")
        ]

    def fields(self) -> list[Field]:
        """Each kept file, which goes unless its mark is taken away, and the field for more."""
        kept = [
            Field(_KEPT, f"{line(item.filename)} · {size_words(item.size)}", item.id, "check", on=True)
            for item in self.uploads
        ]
        return [*kept, Field(FILES, "Files", kind="file", hint=FILES_HINT, most=MAX_ATTACHMENTS_BYTES)]


async def kept_files(visit: Visit) -> Attached:
    """The files that an earlier step of the form kept."""
    asked = visit.form.all(_KEPT)[:MAX_ATTACHMENTS]
    found = [await find_upload(visit.core, visit.who.person.id, upload_id) for upload_id in asked]
    uploads = [item for item in found if item is not None]
    return Attached(uploads, len(asked) - len(uploads))


async def with_new_files(visit: Visit, files: Attached, *, may: bool, others: Sequence[int] = ()) -> Attached:
    """The kept files and those that came with this step, which are kept now; `others` are sizes of files beside them.

    Raises `Forbidden` unless the person `may`, and `InvalidRequest` for a lost file, or more than a message may have.
    """
    if files.lost:
        raise InvalidRequest(
            "a file was kept for an hour and is gone: choose it again", location="body.files"
        )
    new = visit.form.files(FILES)
    if new or files.uploads:
        _check([*others, *(item.size for item in files.uploads), *(len(item.data) for item in new)], new)
    if not new:
        return files
    if not may:
        raise Forbidden(f"a {visit.who.person.role} may not attach files")
    await refuse_beyond_plan(visit.core, visit.who.person.account_id)
    person_id = visit.who.person.id
    added = [
        await keep_upload(visit.core, person_id, item.filename, item.content_type, item.data) for item in new
    ]
    told = visit.form.text(_TOLD) == str(sum(item.size for item in added))
    return replace(files, uploads=[*files.uploads, *added], untold=not told)


async def attachment(visit: Visit, filename: str, content_type: str, data: bytes) -> Attachment:
    """The file as a request of the contract has it."""
    text = (await visit.core.offload.run(len(data), base64.b64encode, data)).decode("ascii")
    return Attachment(filename=filename, content_type=content_type, data=text)


def _check(sizes: Sequence[int], new: Sequence[SentFile]) -> None:
    """Raises `InvalidRequest` for more than a message may have (the limits of the API), in words for people."""
    if len(sizes) > MAX_ATTACHMENTS:
        raise InvalidRequest(
            f"these are {len(sizes)} files; at most {MAX_ATTACHMENTS} may go", location="body.files"
        )
    for item in new:
        if len(item.data) > MAX_ATTACHMENT_BYTES:
            raise InvalidRequest(
                f"“{line(item.filename)}” has {size_words(len(item.data))}; a file may have "
                f"{size_words(MAX_ATTACHMENT_BYTES)}",
                location="body.files",
            )
    if sum(sizes) > MAX_ATTACHMENTS_BYTES:
        raise InvalidRequest(
            f"the files have {size_words(sum(sizes))} together; at most {size_words(MAX_ATTACHMENTS_BYTES)} may go",
            location="body.files",
        )
