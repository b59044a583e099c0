"""Policies by name, and runs of strategies that choose by them."""

import asyncio

import pytest

from m1app.access.person import NEEDS, Permission
from m1app.runs.errors import ProbeRefused
from m1app.runs.policies import PolicyLibrary
from m1app.runs.strategies import StrategyService
from m1app.strategies.errors import PolicyRefused
from storage.traces.records import TraceState
from tests.m1app.runs.test_strategies import ScriptedPlanner, database, end_of, request
from tests.m1app.strategies.scripted import CharacterEngine
from tests.m1app.strategies.test_auto import SURE, saying, small_policy

__all__ = ["database"]


@pytest.fixture
def library(tmp_path):
    return PolicyLibrary(tmp_path / "policies")


async def test_a_policy_is_kept_by_its_name_and_read_as_it_was(library, tmp_path):
    assert list(await library.names()) == []
    await library.save("nejm-m1", small_policy())
    await library.save("medqa", small_policy(model="m1-7b"))
    assert list(await library.names()) == ["medqa", "nejm-m1"]
    assert await library.get("nejm-m1") == small_policy()
    assert (tmp_path / "policies").stat().st_mode & 0o777 == 0o700
    assert {path.name for path in (tmp_path / "policies").iterdir()} == {"medqa.json", "nejm-m1.json"}
    await library.remove("medqa")
    assert list(await library.names()) == ["nejm-m1"]


async def test_a_policy_is_not_replaced_so_that_stopped_runs_find_theirs(library, tmp_path):
    await library.save("mine", small_policy())
    with pytest.raises(PolicyRefused, match="There is already a policy named 'mine'"):
        await library.save("mine", small_policy(questions=7))
    assert (await library.get("mine")).questions == 120
    assert [path.name for path in (tmp_path / "policies").iterdir()] == ["mine.json"]


@pytest.mark.parametrize("name", ["", "../other", "a/b", ".hidden", "Mine", "a:b", "a,b", "a=b", "x" * 61, "a\n"])
async def test_a_name_that_would_be_read_in_another_way_is_refused(library, name):
    for use in (library.get(name), library.remove(name), library.save(name, small_policy())):
        with pytest.raises(PolicyRefused, match=r"is not a valid policy name|No policy is chosen"):
            await use


async def test_a_policy_that_is_not_here_or_damaged_says_so(library, tmp_path):
    with pytest.raises(PolicyRefused, match=r"There is no policy named 'mine'\. Make one on the Benchmarks page"):
        await library.get("mine")
    await library.save("other", small_policy())
    with pytest.raises(PolicyRefused, match="Available: other"):
        await library.remove("mine")
    path = tmp_path / "policies" / "other.json"
    path.write_bytes(path.read_bytes().replace(b"vote:k=3", b"lottery"))
    with pytest.raises(PolicyRefused, match=r"The policy 'other' cannot be used.*There is no strategy named 'lottery'"):
        await library.get("other")
    path.write_bytes(b" " * 10_000_000)
    with pytest.raises(PolicyRefused, match="at most 64,000"):
        await library.get("other")


def test_only_who_may_manage_keeps_and_removes_policies():
    needed = {name: getattr(getattr(PolicyLibrary, name), NEEDS) for name in ("names", "get", "save", "remove")}
    assert needed == {
        "names": Permission.READ,
        "get": Permission.READ,
        "save": Permission.MANAGE,
        "remove": Permission.MANAGE,
    }


def service_of(database, engine, library):
    return StrategyService(ScriptedPlanner(engine), database, policies=library)


def by_policy(**changes):
    return request(**({"choices": ("auto:policy=mine",), "budget_tokens": 400} | changes))


async def test_a_run_by_policy_keeps_the_pilot_and_says_why(database, library):
    await library.save("mine", small_policy(model="toy"))
    service = service_of(database, CharacterEngine(saying(SURE)), library)
    begun = await service.start(by_policy(choices=("auto:policy=mine", "budget-forcing")))
    over = await end_of(service, begun.run.id)
    auto, chain = over.strategies
    assert (auto.result.state, auto.result.letter, auto.result.of_key) == (TraceState.COMPLETED, "B", "pass/0")
    assert "below 0.60, so One chain" in auto.result.why
    assert auto.result.picture["policy"]["choice"] == "budget-forcing"
    assert [each.key for each in auto.requests if each.trace_id][::2] == ["pilot/0", "pass/0"]
    assert chain.result.letter == "A"


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (None, "There is no policy named 'mine'"),
        (small_policy(model="m1-7b"), "was made for m1-7b, but toy would be asked"),
    ],
)
async def test_a_policy_that_does_not_fit_is_refused_before_anything_is_asked_or_stored(
    database, library, policy, said
):
    if policy:
        await library.save("mine", policy)
    engine = CharacterEngine(saying(SURE))
    service = service_of(database, engine, library)
    with pytest.raises(ProbeRefused, match=said) as refused:
        await service.start(by_policy())
    assert refused.value.field == "strategies"
    assert engine.requests == []
    assert await service.recent(10) == ()


async def test_a_stopped_run_goes_on_with_its_policy_and_says_when_it_is_gone(database, library):
    await library.save("mine", small_policy())
    engine = CharacterEngine(saying(SURE))
    service = service_of(database, engine, library)
    begun = await service.start(by_policy())
    while not any(each.key == "pass/0" for each in (await service.get(begun.run.id)).strategies[0].requests):
        await asyncio.sleep(0)
    service.stop(begun.run.id)
    await end_of(service, begun.run.id)
    await library.remove("mine")
    with pytest.raises(ProbeRefused, match="There is no policy named 'mine'"):
        await service.resume(begun.run.id)
    await library.save("mine", small_policy())
    await service.resume(begun.run.id)
    over = await end_of(service, begun.run.id)
    assert over.strategies[0].result.letter == "B"
    asked = [each.key for each in over.strategies[0].requests]
    assert asked.count("pilot/0") == 1, "the pilot is not asked again"
