"""What a list says after something in it was deleted or restored."""

from collections.abc import Awaitable

from m1app.trash.words import kept_text
from m1app.ui.shell.boundary import message_of
from storage.trash.records import Deletion, Extent

Notice = dict[str, str]
"""`notice`, a sentence, and `undo`, the deletion's id; empty if nothing can be undone."""


async def discarded(work: Awaitable[Deletion | tuple[Deletion, Extent]]) -> Notice:
    """Await a deletion and say what came of it."""
    try:
        done = await work
    except Exception as exc:  # noqa: BLE001 - the UI boundary
        return {"notice": message_of(exc), "undo": ""}
    deletion, extent = done if isinstance(done, tuple) else (done, Extent())
    return {"notice": f"Moved to the trash. {kept_text(extent)}".strip(), "undo": deletion.id}


async def restored(work: Awaitable[Deletion]) -> Notice:
    """Await the undoing of a deletion and say what came of it."""
    try:
        await work
    except Exception as exc:  # noqa: BLE001 - the UI boundary
        return {"notice": message_of(exc), "undo": ""}
    return {"notice": "Restored.", "undo": ""}
