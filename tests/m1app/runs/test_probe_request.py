"""What a probe is refused for before any token, and the largest budget that the context holds."""

import math
from dataclasses import replace
from string import ascii_uppercase
from typing import Any

import pytest

from m1app.question.errors import InvalidQuestion
from m1app.runs.errors import ProbeRefused
from m1app.runs.probe_request import (
    MAX_FORCE_ROUNDS,
    MAX_SEED,
    MAX_SYSTEM_PROMPT_CHARACTERS,
    ProbeRequest,
    check_fits,
    check_request,
    pass_settings,
    request_of,
)
from models.engine.protocol import EngineInfo, EngineKind
from models.thinking.budget_forcing import Marker, Markers
from models.thinking.prompting import Prompt
from tests.m1app.runs.trace_samples import a_question, a_trace

GOOD = ProbeRequest(stem="Which gland makes cortisol?", options={"A": "Adrenal", "B": "Thyroid"}, target="A")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stem": ""}, "The question is empty"),
        ({"stem": " \n\t"}, "The question is empty"),
        ({"stem": "x" * 200_000}, "200,014 characters; the limit is 100,000"),
        ({"stem": "What\x00?"}, "a NUL"),
        ({"stem": "What\ud800?"}, "half of a surrogate pair"),
        ({"stem": "What\x1b[2J?"}, "a control character"),
        ({"options": {"1": "Adrenal", "B": "Thyroid"}}, "use one of A to Z"),
        ({"options": {"": "Adrenal", "B": "Thyroid"}}, "use one of A to Z"),
        ({"options": {"AB": "Adrenal", "B": "Thyroid"}}, "use one of A to Z"),
        ({"options": {"A": "Adrenal"}}, "only one option"),
        ({"options": {"A": "Adrenal", "a": "Thyroid"}}, "'A'|A "),
        ({"options": {"A": "Adrenal", "B": " "}}, "Option B is empty"),
        ({"options": {"A": "Adrenal", "B": "Thy\x00roid"}}, "Option B .*a NUL"),
        ({"options": dict(zip([*ascii_uppercase, "AA"], map(str, range(27)), strict=True))}, "26 letters|A to Z"),
        ({"target": "C"}, "not one of the options: choose one of A, B"),
        ({"target": "a"}, "not one of the options"),
        ({"options": {}}, "the question has no options"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_with_what_was_found(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidQuestion, match=words):
        check_request(replace(GOOD, **changes))


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        (
            {"thinking_budget_tokens": 0},
            "thinking_budget",
            "Thinking budget is 0; enter a whole number from 1 to 1,000,000,000 tokens",
        ),
        ({"thinking_budget_tokens": -5}, "thinking_budget", "is -5"),
        ({"thinking_budget_tokens": None}, "thinking_budget", "is empty"),
        ({"thinking_budget_tokens": 12.5}, "thinking_budget", "is 12.5"),
        ({"thinking_budget_tokens": "64"}, "thinking_budget", "is '64'"),
        ({"thinking_budget_tokens": True}, "thinking_budget", "whole number"),
        ({"thinking_budget_tokens": 10**23}, "thinking_budget", "enter a whole number from 1 to 1,000,000,000 tokens"),
        ({"answer_cap_tokens": 10**23}, "answer_cap", "enter a whole number from 1 to 1,000,000,000 tokens"),
        ({"force_rounds": -1}, "force_rounds", "Force rounds is -1; enter a whole number from 0 to 8 rounds"),
        ({"force_rounds": MAX_FORCE_ROUNDS + 1}, "force_rounds", "is 9"),
        ({"answer_cap_tokens": 0}, "answer_cap", "Answer cap is 0"),
        ({"answer_cap_tokens": None}, "answer_cap", "is empty"),
        ({"temperature": -0.1}, "temperature", "Temperature is -0.1; enter a number from 0 to 2"),
        ({"temperature": 2.1}, "temperature", "is 2.1"),
        ({"temperature": math.nan}, "temperature", "is nan"),
        ({"temperature": math.inf}, "temperature", "is inf"),
        ({"temperature": None}, "temperature", "is empty"),
        ({"temperature": "hot"}, "temperature", "is 'hot'"),
        ({"top_p": 0.0}, "top_p", "Top-p is 0; enter a number above 0"),
        ({"top_p": 1.01}, "top_p", "is 1.01"),
        ({"top_p": -1}, "top_p", "is -1"),
        ({"seed": -1}, "seed", "Seed is -1; enter a whole number from 0 to 2,147,483,647"),
        ({"seed": MAX_SEED + 1}, "seed", "2,147,483,648"),
        ({"system_prompt": "x" * (MAX_SYSTEM_PROMPT_CHARACTERS + 1)}, "system_prompt", "20,001 characters"),
        ({"system_prompt": "a\x00b"}, "system_prompt", "NUL"),
        ({"system_prompt": "a\udfffb"}, "system_prompt", "surrogate"),
    ],
)
def test_a_knob_out_of_its_range_is_refused_with_its_field_and_range(
    changes: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(ProbeRefused) as caught:
        check_request(replace(GOOD, **changes))
    assert caught.value.field == field
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"options": {}, "target": None},
        {"stem": "x" * (100_000 - 14)},
        {"stem": "Was tun bei \U0001f480 und \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627?\r\n\tNext line"},
        {"options": dict(zip(ascii_uppercase, map(str, range(26)), strict=True))},
        {"target": None},
        {"thinking_budget_tokens": 1, "answer_cap_tokens": 1, "force_rounds": 0, "temperature": 0, "seed": 0},
        {"thinking_budget_tokens": 10**9},
        {"force_rounds": MAX_FORCE_ROUNDS, "temperature": 2, "top_p": 1, "seed": MAX_SEED},
        {"top_p": 0.01},
        {"system_prompt": ""},
        {"system_prompt": "x" * MAX_SYSTEM_PROMPT_CHARACTERS},
    ],
)
def test_odd_but_usable_requests_pass(changes: dict[str, Any]) -> None:
    assert check_request(replace(GOOD, **changes)) is None


def _markers(natural: int, overrun: int) -> Markers:
    def marker(tokens: int) -> Marker:
        return Marker("x" * tokens, tuple(range(tokens)))

    return Markers(
        opening=marker(3),
        wait=marker(1),
        spaced_wait=marker(1),
        natural_close=marker(natural),
        overrun_close=marker(overrun),
        stop_token_ids=(9,),
        stop_texts=(),
        stop_token_texts=(),
        answer_stop_token_ids=(9,),
        option_prefix=marker(2),
    )


def _check(budget: int, *, context: int = 1000, prompt: int = 100, natural: int = 4, overrun: int = 7) -> None:
    request = replace(GOOD, thinking_budget_tokens=budget, answer_cap_tokens=50)
    info = EngineInfo(EngineKind.VLLM, "1", "m", context)
    check_fits(request, Prompt("p", tuple(range(prompt))), _markers(natural, overrun), info)


LARGEST = 1000 - (100 + 3 + 7 + 2 + 1) - 50
"""Context less prompt, opening, longer close, option prefix, the option's letter, and answer."""


def test_the_largest_budget_that_fits_is_accepted_and_one_more_is_refused_with_it() -> None:
    assert _check(LARGEST) is None
    with pytest.raises(
        ProbeRefused, match=f"budget of {LARGEST + 1:,} tokens.*1,000 tokens.*at most {LARGEST:,}"
    ) as caught:
        _check(LARGEST + 1)
    assert caught.value.field == "thinking_budget"


@pytest.mark.parametrize(("natural", "overrun"), [(4, 7), (7, 4)])
def test_room_is_kept_for_the_longer_of_both_closes(natural: int, overrun: int) -> None:
    assert _check(LARGEST, natural=natural, overrun=overrun) is None
    with pytest.raises(ProbeRefused):
        _check(LARGEST + 1, natural=natural, overrun=overrun)


@pytest.mark.parametrize("prompt", [937, 5000])
def test_a_question_that_leaves_no_room_for_thinking_is_itself_refused(prompt: int) -> None:
    with pytest.raises(ProbeRefused, match=rf"too long for this model.*takes {prompt:,}.*Shorten") as caught:
        _check(1, prompt=prompt)
    assert caught.value.field == "question"


def test_a_request_made_of_a_trace_repeats_its_question_and_knobs() -> None:
    request = request_of(a_trace())
    assert request == ProbeRequest(
        stem="Which gland makes cortisol?",
        options={"A": "Adrenal", "B": "Thyroid"},
        target="A",
        model="smollm2-135m",
        profile="plain-chatml",
        thinking_budget_tokens=1024,
        force_rounds=1,
        temperature=0.5,
        top_p=0.9,
        seed=7,
        answer_cap_tokens=256,
        system_prompt="Be careful.",
        source="typed",
    )
    assert check_request(request) is None


def test_a_guessed_profile_stays_a_guess_when_a_trace_is_repeated() -> None:
    assert request_of(a_trace(profile_is_guess=True)).profile == ""


def test_a_trace_without_system_prompt_is_repeated_without_one() -> None:
    assert request_of(a_trace(system_prompt="")).system_prompt == ""


def test_a_question_of_the_library_keeps_its_source_and_title() -> None:
    request = request_of(a_trace(question=a_question(source="library", title="Cortisol")))
    assert (request.source, request.title) == ("library", "Cortisol")


def test_the_pass_gets_the_knobs_and_the_seed_that_was_drawn() -> None:
    settings = pass_settings(replace(GOOD, thinking_budget_tokens=64, force_rounds=2, temperature=0.7, top_p=0.5), 11)
    assert (settings.budget_tokens, settings.force_rounds, settings.answer_cap_tokens) == (64, 2, 512)
    assert (settings.temperature, settings.top_p, settings.seed) == (0.7, 0.5, 11)
