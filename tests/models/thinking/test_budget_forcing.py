"""The controller of one thinking pass, driven with next() and send(); no engine, no clock."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.profiles.forcing import Forcing
from models.thinking.budget_forcing import (
    Generate,
    Generated,
    Insert,
    Marker,
    Markers,
    PassOutcome,
    SegmentKind,
    Step,
    ThinkingFinish,
    thinking_pass,
)

PROMPT = (1, 2, 3)
STOP = 99
MARKERS = Markers(
    opening=Marker("<think>", (10,)),
    wait=Marker("Wait", (20, 21)),
    spaced_wait=Marker(" Wait", (22,)),
    natural_close=Marker("</think>", (30,)),
    overrun_close=Marker("...</think>", (31, 32)),
    stop_token_ids=(STOP,),
    stop_texts=(),
    stop_token_texts=("</think>",),
    answer_stop_token_ids=(98,),
    option_prefix=Marker("Answer:", (40,)),
)


def run(
    stops: Sequence[int], *, budget: int, rounds: int, text: str = "thought.", markers: Markers = MARKERS
) -> tuple[list[Step], PassOutcome]:
    """Drive a pass with a model that wants to stop after `stops[i]` tokens of stretch i, and never after the last."""
    steps: list[Step] = []
    controller = thinking_pass(PROMPT, markers, budget_tokens=budget, force_rounds=rounds, answer_cap_tokens=7)
    reply: Generated | None = None
    stretch = 0
    try:
        while True:
            step = controller.send(reply)
            steps.append(step)
            reply = None
            if isinstance(step, Generate) and step.kind is SegmentKind.THINK:
                wanted = stops[stretch] if stretch < len(stops) else step.max_tokens + 1
                stretch += 1
                count = min(wanted, step.max_tokens)
                reply = Generated(text, tuple(1000 + i for i in range(count)), is_natural_stop=wanted < step.max_tokens)
            elif isinstance(step, Generate):
                reply = Generated("B", (500,), is_natural_stop=True)
    except StopIteration as stop:
        return steps, stop.value


def inserted(steps: Sequence[Step]) -> list[Marker]:
    return [step.marker for step in steps if isinstance(step, Insert)]


def test_natural_stop_closes_with_the_natural_form() -> None:
    steps, outcome = run([5], budget=50, rounds=0)
    assert inserted(steps) == [MARKERS.natural_close]
    assert outcome == PassOutcome(ThinkingFinish.NATURAL, 5, 0)


def test_spent_budget_closes_with_the_overrun_form() -> None:
    steps, outcome = run([], budget=50, rounds=3)
    assert inserted(steps) == [MARKERS.overrun_close]
    assert outcome == PassOutcome(ThinkingFinish.BUDGET, 50, 0)


def test_first_request_continues_prompt_and_opening_with_the_whole_budget() -> None:
    steps, _ = run([5], budget=50, rounds=0)
    assert steps[0] == Generate(SegmentKind.THINK, (1, 2, 3, 10), 50, (STOP,), ())


def test_forced_round_inserts_wait_and_continues_on_the_same_token_ids() -> None:
    steps, outcome = run([3, 4], budget=50, rounds=1)
    assert [type(step) for step in steps] == [Generate, Insert, Generate, Insert, Generate]
    second = steps[2]
    assert isinstance(second, Generate)
    assert second.prompt_ids == (1, 2, 3, 10, 1000, 1001, 1002, 22)
    assert second.max_tokens == 50 - 3 - 1
    assert outcome == PassOutcome(ThinkingFinish.NATURAL, 3 + 1 + 4, 1)


@pytest.mark.parametrize(("text", "marker"), [("end.", 22), ("end. ", 20), ("end\n", 20), ("", 20)])
def test_wait_has_a_space_in_front_only_where_words_would_be_glued(text: str, marker: int) -> None:
    steps, _ = run([3], budget=50, rounds=1, text=text)
    assert inserted(steps)[0].token_ids[0] == marker


@pytest.mark.parametrize(
    ("budget", "is_forced"),
    [(5, False), (6, True)],
    ids=["wait would be the last token", "wait and one more token fit"],
)
def test_second_wait_is_skipped_when_budget_is_spent(budget: int, is_forced: bool) -> None:
    # One stretch of 3 tokens; a "Wait" of 2 tokens and one more need a budget of 6.
    steps, outcome = run([3], budget=budget, rounds=1, text="ends in white space ")
    assert any(marker is MARKERS.wait for marker in inserted(steps)) is is_forced
    assert outcome.forced_rounds == int(is_forced)


def test_answer_continues_the_close_with_its_own_cap_and_stops() -> None:
    steps, _ = run([2], budget=50, rounds=0)
    assert steps[-1] == Generate(SegmentKind.ANSWER, (1, 2, 3, 10, 1000, 1001, 30), 7, (98,))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [((0, 0, 7), "budget"), ((-5, 0, 7), "budget"), ((1, -1, 7), "rounds"), ((1, 0, 0), "answer cap")],
)
def test_numbers_out_of_range_are_refused(numbers: tuple[int, int, int], words: str) -> None:
    budget, rounds, cap = numbers
    controller = thinking_pass(PROMPT, MARKERS, budget_tokens=budget, force_rounds=rounds, answer_cap_tokens=cap)
    with pytest.raises(ValueError, match=words):
        next(controller)


NEW_LINE = replace(MARKERS, line_break=Marker("\n", (50,)))
PUBLISHED = replace(NEW_LINE, forcing=Forcing.AS_PUBLISHED)


@pytest.mark.parametrize(
    ("text", "has_break"), [("end.", True), ("end. ", True), ("", True), ("end.\n", False), ("end.\n\n", False)]
)
@pytest.mark.parametrize("budget", [50, 3], ids=["natural", "budget"])
def test_a_line_break_precedes_the_close_unless_the_thinking_has_one(text: str, has_break: bool, budget: int) -> None:
    steps, _ = run([3], budget=budget, rounds=0, text=text, markers=NEW_LINE)
    close = MARKERS.natural_close if budget == 50 else MARKERS.overrun_close
    expected = Marker("\n" + close.text, (50, *close.token_ids)) if has_break else close
    assert inserted(steps) == [expected]
    assert steps[-1].prompt_ids[-len(expected.token_ids) :] == expected.token_ids  # type: ignore[union-attr]


def test_thinking_that_ends_with_a_wait_does_not_end_in_a_line_break() -> None:
    steps, _ = run([3, 0], budget=50, rounds=1, text="", markers=NEW_LINE)
    assert [marker.text for marker in inserted(steps)] == ["Wait", "\n</think>"]


@pytest.mark.parametrize(("text", "wait"), [("end.", "Wait"), ("end. ", " Wait"), ("end\n", "Wait"), ("", "Wait")])
def test_wait_as_published_has_a_space_where_the_thinking_has_one(text: str, wait: str) -> None:
    steps, _ = run([3], budget=50, rounds=1, text=text, markers=PUBLISHED)
    assert inserted(steps)[0].text == wait


def test_as_published_only_the_last_wait_counts() -> None:
    # Stretches of 5 tokens and "Wait"s of 2: the published code asks for 20 - 7, then 20 - 12, then 20 - 17 tokens.
    steps, outcome = run([5, 5, 5, 5], budget=20, rounds=8, markers=PUBLISHED)
    assert [step.max_tokens for step in steps if isinstance(step, Generate)] == [20, 13, 8, 3, 7]
    assert outcome == PassOutcome(ThinkingFinish.BUDGET, 3 * 7 + 3, 3)
    exact, outcome = run([5, 5, 5, 5], budget=20, rounds=8, text="end ")
    assert [step.max_tokens for step in exact if isinstance(step, Generate)] == [20, 13, 6, 7]
    assert outcome == PassOutcome(ThinkingFinish.NATURAL, 2 * 7 + 5, 2)


@given(
    stops=st.lists(st.integers(0, 30), max_size=12),
    budget=st.integers(1, 200),
    rounds=st.integers(0, 8),
    text=st.sampled_from(["word", "space "]),
)
def test_budget_counts_every_token_after_the_opening(stops: list[int], budget: int, rounds: int, text: str) -> None:
    steps, outcome = run(stops, budget=budget, rounds=rounds, text=text)
    answer = steps[-1]
    assert isinstance(answer, Generate)
    closed = MARKERS.natural_close if outcome.thinking_finish is ThinkingFinish.NATURAL else MARKERS.overrun_close
    thinking = answer.prompt_ids[len(PROMPT) + 1 : len(answer.prompt_ids) - len(closed.token_ids)]
    assert outcome.thinking_tokens == len(thinking) <= budget
    assert (outcome.thinking_finish is ThinkingFinish.BUDGET) == (len(thinking) == budget)
    assert outcome.forced_rounds == sum(s.kind is SegmentKind.WAIT for s in steps) <= rounds


@given(
    stops=st.lists(st.integers(0, 30), max_size=12),
    budgets=st.tuples(st.integers(1, 120), st.integers(1, 120)),
    rounds=st.integers(0, 6),
)
def test_thinking_at_a_small_budget_is_a_prefix_of_that_at_a_large_one(
    stops: list[int], budgets: tuple[int, int], rounds: int
) -> None:
    small, large = sorted(budgets)

    def thinking(budget: int) -> list[int]:
        steps, outcome = run(stops, budget=budget, rounds=rounds)
        answer = steps[-1]
        assert isinstance(answer, Generate)
        return list(answer.prompt_ids[len(PROMPT) + 1 :][: outcome.thinking_tokens])

    shorter, longer = thinking(small), thinking(large)
    common = [a == b for a, b in zip(shorter, longer, strict=False)]
    assert all(common)
