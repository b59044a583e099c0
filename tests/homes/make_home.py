"""Makes the home of today's version from the one before, in the folder where that one was made:

    python -m tests.homes.make_home v0.1.0 schema-0016 /tmp/m1-home-v0.1.0 PATH_OF_THE_EMBEDDED_WEIGHTS

Writes NAME.tar.gz and NAME.expected.json beside itself. Run it once for a version: later code cannot make it as that
version did. README.md says what is added.
"""

import asyncio
import json
import socket
import subprocess
import sys
import tarfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from m1app.access.person import COMMAND_LINE, run_process_as
from m1app.bootstrap import Services, build_services
from m1app.question.pastes.pasted_question import Paste, read_paste
from m1app.runs import kept_batches
from m1app.runs.probe_request import ProbeRequest
from m1app.runs.strategy_request import StrategyRunRequest
from m1app.settings import Settings
from storage.open_verdicts.records import Judgement
from storage.questions.records import NewQuestion
from tests import test_homes
from tests.m1app.strategies.test_auto import small_policy

FOLDER = Path(__file__).parent
SCURVY = "Which vitamin is lacking in a sailor with bleeding gums?"
VITAMINS = {"A": "Vitamin A", "B": "Vitamin C", "C": "Vitamin D"}
SHORT = {"thinking_budget_tokens": 24, "answer_cap_tokens": 12}
PASTED = """1. Where is bile made?
A. Liver
B. Spleen
Answer: A

2. Where is insulin made?
A. Liver
B. Pancreas
Answer: B"""
_NOT_COUNTED = ("alembic", "search_index", "sqlite_")


async def main(before: str, name: str, home: Path, weights: Path) -> None:
    home.mkdir()
    with tarfile.open(FOLDER / f"{before}.tar.gz") as archive:
        archive.extractall(home, filter="data")
    (home / "models" / weights.name).symlink_to(weights)
    services = build_services(Settings(home=home, threads=1, context_length=2048))
    try:
        services.engines.start()
        await asyncio.to_thread(services.engines.wait_ready, 120)
        await add_all(services)
    finally:
        await services.aclose()
    (home / "models" / weights.name).unlink()
    made = test_homes.OldHome(home, {})
    expected = json.loads((FOLDER / f"{before}.expected.json").read_text(encoding="utf-8"))
    said = {
        "made_in": expected["made_in"],
        "revision": test_homes.all_of(made, "SELECT version_num FROM alembic_version")[0][0],
    }
    async with made.opened() as opened:
        for ask in test_homes.ASKED:
            said[ask.__name__] = test_homes.as_json(await ask(opened))
    tables = test_homes.counts(made)
    said["tables"] = {table: count for table, count in tables.items() if not table.startswith(_NOT_COUNTED)}
    (FOLDER / f"{name}.expected.json").write_text(json.dumps(said, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    packed = f"tar --sort=name --owner=0 --group=0 --numeric-owner -cf - . | gzip -n -9 > {FOLDER / name}.tar.gz"
    subprocess.run(["sh", "-c", packed], cwd=home, check=True)


async def add_all(services: Services) -> None:
    """What a home of today holds that the one before does not."""
    nutrients = {"A": "Thiamine", "B": "Iron", "C": "Niacin"}
    await asked(services, ProbeRequest(stem="Which of these are vitamins?", options=nutrients, target="A, C", **SHORT))
    opened = await asked(services, ProbeRequest(stem="What does insulin do to blood glucose?", **SHORT))
    await services.judging.say(opened, "It lowers it.", Judgement.RIGHT)
    await services.policies.save("small", small_policy())
    run = await services.strategies.start(
        StrategyRunRequest(
            stem=SCURVY,
            options=VITAMINS,
            target="B",
            choices=("vote:k=3", "budget-forcing"),
            budget_tokens=160,
            thinking_tokens=24,
            answer_cap_tokens=12,
            seed=7,
        )
    )
    await until_over(services.strategies.follow(run.run.id))
    await services.question_sets.store_typed(
        [NewQuestion(stem=each.stem, options=each.options, target=each.target) for each in pasted()], name="Pasted"
    )
    await leave_batch(services)


def pasted() -> tuple[Paste, ...]:
    return read_paste(PASTED).questions


async def until_over(snapshots: AsyncGenerator[Any, None]) -> None:
    async with aclosing(snapshots) as found:
        async for _ in found:
            pass


async def asked(services: Services, request: ProbeRequest) -> str:
    trace = await services.probe.start(request)
    await until_over(services.probe.follow(trace.id))
    return trace.id


async def leave_batch(services: Services) -> None:
    """A batch as a killed process leaves it: the first question was asked, the second one was not."""
    questions = [ProbeRequest(stem=each.stem, options=each.options, target=each.target, **SHORT) for each in pasted()]
    batch_id, kept = uuid4().hex, services.batches._kept
    with patch.object(kept_batches, "this_process", lambda: f"{socket.gethostname()}:{2**30}"):
        await kept.add(batch_id, "", questions, allows_identifiers=False)
    await kept.note(batch_id, 0, trace_id=await asked(services, questions[0]))


if __name__ == "__main__":
    run_process_as(COMMAND_LINE)
    _, earlier, new, place, model = sys.argv
    asyncio.run(main(earlier, new, Path(place), Path(model)))
