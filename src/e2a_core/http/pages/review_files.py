"""The files of a draft as its reviewer changes them: kept, taken away and added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2a_core.contract.message_views import AttachmentMetaView, MessageView
from e2a_core.contract.sending import Attachment
from e2a_core.http.pages.attached import Attached, attachment, kept_files, with_new_files
from e2a_core.http.pages.review_edit import Change
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import count_words, line, size_words
from e2a_core.messages.uploads import Upload

__all__ = ["EditedFiles", "edited_files"]

SHOWN = "shown"
"""A form with this field has a mark beside each file of the draft, so that one without a mark is taken away."""
KEEP = "keep"


@dataclass(frozen=True, slots=True)
class EditedFiles:
    """What becomes of the files of a draft; `added` ones are kept for the next step."""

    kept: Sequence[AttachmentMetaView]
    removed: Sequence[AttachmentMetaView]
    added: Sequence[Upload]

    @property
    def differ(self) -> bool:
        return bool(self.removed or self.added)

    @property
    def words(self) -> str:
        sizes = [*(item.size_bytes for item in self.kept), *(item.size for item in self.added)]
        return f"{count_words(len(sizes), 'file')}, {size_words(sum(sizes))} together"

    def change(self) -> Change:
        """The files line by line, with what they are together."""
        lines = [(" ", _shown(item)) for item in self.kept]
        lines += [("-", _shown(item)) for item in self.removed]
        lines += [("+", f"{line(item.filename)} · {size_words(item.size)}") for item in self.added]
        return Change("files", [*lines, (" ", self.words)])

    async def members(self, visit: Visit, view: MessageView) -> list[Attachment]:
        """All files that go, as a request has them."""
        inbox, found = view.agent_email or view.delivered_to, []
        for item in self.kept:
            file = await visit.session.messages.attachment_content(inbox, view.id, item.index)
            kind = file.meta.content_type or "application/octet-stream"
            found.append(await attachment(visit, file.meta.filename or "unnamed", kind, file.data))
        for new in self.added:
            found.append(await attachment(visit, new.filename, new.content_type, new.data))
        return found


async def edited_files(visit: Visit, view: MessageView) -> EditedFiles:
    """The files as the form has them. Raises `Forbidden` and `InvalidRequest`."""
    marked = set(visit.form.all(KEEP))
    kept = [item for item in view.attachments if SHOWN not in visit.form or str(item.index) in marked]
    sizes = [item.size_bytes for item in kept]
    files: Attached = await with_new_files(visit, await kept_files(visit), may=visit.decides, others=sizes)
    removed = [item for item in view.attachments if item not in kept]
    return EditedFiles(kept, removed, files.uploads)


def _shown(item: AttachmentMetaView) -> str:
    return f"{line(item.filename or 'unnamed')} · {size_words(item.size_bytes)}"
