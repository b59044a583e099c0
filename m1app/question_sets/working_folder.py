"""A folder in the home for the files of one import or comparison."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from m1app.question_sets.errors import no_room
from m1app.scratch_folder import scratch_folder


@asynccontextmanager
async def working_folder(prefix: str, home: Path) -> AsyncIterator[Path]:
    """`scratch_folder` in the home; raises NoRoom if it cannot be made. Errors of the block stay as they are."""
    async with AsyncExitStack() as stack:
        try:
            folder = await stack.enter_async_context(scratch_folder(prefix, home))
        except OSError as exc:
            raise no_room(exc, home) from exc
        yield folder
