"""A fact test from where it stands to its end: begun, resumed, or known to be complete."""

import asyncio
import logging
from contextlib import aclosing

from m1app.errors import AppError
from m1app.fact_tests.design import Arm
from m1app.fact_tests.errors import FactTestOvertaken, FactTestRefused
from m1app.fact_tests.request import FactTestRequest
from m1app.fact_tests.service import FactTestService, FactTestSnapshot
from m1app.privacy.errors import IdentifiersFound
from m1app.runs.stored_strategies import failed_requests
from m1app.wording import counted, state_label
from storage.fact_tests.records import FactTest
from storage.traces.records import TraceState

_log = logging.getLogger(__name__)


async def complete(
    tests: FactTestService,
    request: FactTestRequest,
    earlier: FactTestSnapshot | None,
    stopping: asyncio.Event,
    *,
    newest: str | None = None,
) -> tuple[str, str]:
    """Test a fact unless that is done, and wait for the end.

    Args:
        tests: makes the test.
        request: what is tested.
        earlier: the newest test of the same mark; it counts, or goes on, if it is of what is asked for now.
        stopping: ends the test, which can be resumed.
        newest: as in `FactTestService.start`.

    Returns:
        The id of the test, and why it does not say all that it could, which is empty if it does.

    Raises:
        FactTestOvertaken: another process is testing it.
        FactTestRefused, IdentifiersFound, RecordNotFound: as `FactTestService.start`.
    """
    if earlier is not None and not _is_of(earlier.test, request):
        earlier = None
    if earlier is not None and earlier.test.seeds >= request.seeds and not _problem(earlier):
        return earlier.test.run_id, ""
    if earlier is not None and earlier.run.run.state is TraceState.RUNNING:
        raise FactTestOvertaken
    if earlier is not None and earlier.test.seeds == request.seeds:
        run_id = earlier.test.run_id
        try:
            await tests.resume(run_id)
        except (FactTestRefused, IdentifiersFound):
            raise
        except AppError as exc:  # Another process was faster, or the engine would be asked something else.
            return run_id, str(exc)
    else:
        run_id = (await tests.start(request, newest=newest)).test.run_id
    _log.info("test %s begins", run_id)
    over = await _end_of(tests, run_id, stopping)
    if not (problem := _problem(over)):
        _log.info("test %s: %s", run_id, over.run.strategies[0].result.why)
    return run_id, problem


async def _end_of(tests: FactTestService, run_id: str, stopping: asyncio.Event) -> FactTestSnapshot:
    """A test when it is over; stops it when told to."""

    async def stop_when_told() -> None:
        await stopping.wait()
        await tests.stop(run_id)

    watching = asyncio.create_task(stop_when_told())
    try:
        async with aclosing(tests.follow(run_id)) as snapshots:
            async for _ in snapshots:
                if watching.done():
                    watching.result()  # Raises what kept it from being stopped.
    finally:
        watching.cancel()
    return await tests.get(run_id)


def _is_of(test: FactTest, request: FactTestRequest) -> bool:
    """Whether a stored test is of the fact, the mark and the arms that are asked for now."""
    return (
        test.fact == request.fact
        and (test.mark_start, test.mark_end) == (request.mark_start, request.mark_end)
        and (Arm.PROMPT.value in test.insertions or not request.has_prompt_arm)
    )


def _problem(test: FactTestSnapshot) -> str:
    """Why a test does not say all that it could; empty if it does."""
    run = test.run.run
    if run.state is not TraceState.COMPLETED:
        return run.error or f"The test is {state_label(run.state).lower()}."
    failed = failed_requests(test.run.strategies[0])
    return f"The engine failed {counted(len(failed), 'answer')}; resume the job to ask again." if failed else ""
