"""The user's request for a probe, and checks made before any token is generated."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from m1app.question.question_text import validate_question
from m1app.runs.errors import ProbeRefused
from models.engine.protocol import EngineInfo
from models.thinking.budget_forcing import Markers, ThinkingFinish, allowed_tokens, closing
from models.thinking.prompting import Prompt
from models.thinking.thinking_pass import PassSettings
from storage.traces.records import Trace

DEFAULT_BUDGET_TOKENS = 512
MAX_FORCE_ROUNDS = 8
MAX_TOKENS = 1_000_000_000
"""Upper limit of a budget and of an answer cap. Whether they fit a model's context, only its engine knows."""
MAX_SEED = 2**31 - 1
MAX_SYSTEM_PROMPT_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Sampling settings, shared by probes and sweeps."""

    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    seed: int | None = None
    """None draws a seed if the temperature is above 0, so that every trace can be reproduced."""
    answer_cap_tokens: int = 256
    system_prompt: str | None = None
    """None uses the profile's own."""
    asks_probabilities: bool = True
    """Whether the probabilities of the options are asked for: one more request for each answer."""


def sampling_of(source: object) -> dict[str, Any]:
    """The sampling of a request, a recipe, a record or a command's options, which share these names, by name."""
    return {each.name: getattr(source, each.name) for each in fields(Sampling) if hasattr(source, each.name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRequest(Sampling):
    """One question with budget and sampling."""

    stem: str
    options: Mapping[str, str] = field(default_factory=dict)
    """Letter to text; empty for an open question."""
    target: str | None = None
    model: str = ""
    """Served model; empty uses the engine's default."""
    profile: str = ""
    """Profile id; empty uses the one that matches the model."""
    thinking_budget_tokens: int = DEFAULT_BUDGET_TOKENS
    force_rounds: int = 0
    answer_cap_tokens: int = 512
    source: str = "typed"
    title: str = ""


def texts_of(request: ProbeRequest) -> tuple[str, ...]:
    """What a request sends that somebody has written."""
    return (request.stem, *request.options.values(), request.system_prompt or "")


def request_of(trace: Trace) -> ProbeRequest:
    """Return the request that reproduces a trace, with the same seed and wording."""
    return ProbeRequest(
        stem=trace.question.stem,
        options=dict(trace.question.options),
        target=trace.question.target,
        model=trace.model,
        profile="" if trace.profile_is_guess else trace.profile,
        thinking_budget_tokens=trace.thinking_budget_tokens,
        force_rounds=trace.force_rounds,
        **sampling_of(trace),
        source=trace.question.source,
        title=trace.question.title,
    )


def check_request(request: ProbeRequest) -> None:
    """Reject requests that no engine could run.

    Raises:
        InvalidQuestion: the question, its options or its target are not usable.
        ProbeRefused: a setting is out of range.
    """
    validate_question(request.stem, dict(request.options), request.target)
    check_whole(request.thinking_budget_tokens, "thinking_budget", "Thinking budget", 1, MAX_TOKENS, "tokens")
    check_whole(request.force_rounds, "force_rounds", "Force rounds", 0, MAX_FORCE_ROUNDS, "rounds")
    check_sampling(request)


def check_sampling(sampling: Sampling) -> None:
    """Reject sampling settings that no engine could run; raises ProbeRefused naming the field."""
    check_whole(sampling.answer_cap_tokens, "answer_cap", "Answer cap", 1, MAX_TOKENS, "tokens")
    _check_number(sampling.temperature, "temperature", "Temperature", 0.0, 2.0)
    _check_number(sampling.top_p, "top_p", "Top-p", 0.0, 1.0)
    if sampling.top_p == 0:
        raise ProbeRefused("top_p", "Top-p is 0; enter a number above 0, up to 1.")
    if sampling.seed is not None:
        check_whole(sampling.seed, "seed", "Seed", 0, MAX_SEED, "")
    if sampling.system_prompt is not None:
        _check_system_prompt(sampling.system_prompt)


def check_fits(request: ProbeRequest, prompt: Prompt, markers: Markers, info: EngineInfo) -> None:
    """Reject a budget that exceeds the model's context; raises ProbeRefused naming the largest possible one."""
    largest = largest_budget(request, prompt, markers, info)
    if request.thinking_budget_tokens <= largest:
        return
    parts = (
        f"The model's context is {info.context_length:,} tokens, of which the question takes "
        f"{len(prompt.token_ids):,} and the answer up to {request.answer_cap_tokens:,}."
    )
    if largest < 1:
        raise ProbeRefused("question", f"The question is too long for this model. {parts} Shorten it.")
    raise ProbeRefused(
        "thinking_budget",
        f"A thinking budget of {request.thinking_budget_tokens:,} tokens does not fit. {parts} "
        f"Choose at most {largest:,}.",
    )


def largest_budget(request: ProbeRequest, prompt: Prompt, markers: Markers, info: EngineInfo) -> int:
    """The largest thinking budget that fits the model's context with this prompt and answer; may be below 1."""
    closes = (closing(markers, finish, ends_line=False) for finish in ThinkingFinish)
    waits = [max(len(markers.wait.token_ids), len(markers.spaced_wait.token_ids))] * request.force_rounds
    fixed = len(prompt.token_ids) + len(markers.opening.token_ids) + len(markers.option_prefix.token_ids) + 1
    fixed += max(len(each.token_ids) for each in closes) + allowed_tokens(markers.forcing, 0, waits)
    return info.context_length - fixed - request.answer_cap_tokens


def pass_settings(request: ProbeRequest, seed: int | None) -> PassSettings:
    """Return the settings of the thinking pass."""
    return PassSettings(
        budget_tokens=request.thinking_budget_tokens,
        force_rounds=request.force_rounds,
        answer_cap_tokens=request.answer_cap_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        seed=seed,
    )


def check_whole(value: object, field_: str, name: str, low: int, high: int | None, unit: str) -> None:
    """Reject anything but a whole number from `low` to `high`; raises ProbeRefused naming the field."""
    wanted = (
        f"a whole number from {low:,}" + (f" to {high:,}" if high is not None else "") + (f" {unit}" if unit else "")
    )
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        found = "empty" if value is None else f"{value:,}" if isinstance(value, int) else repr(value)
        raise ProbeRefused(field_, f"{name} is {found}; enter {wanted}.")


def _check_number(value: float, field_: str, name: str, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ProbeRefused(
            field_, f"{name} is {'empty' if value is None else repr(value)}; enter a number from {low:g} to {high:g}."
        )
    if not low <= value <= high:
        raise ProbeRefused(field_, f"{name} is {value:g}; enter a number from {low:g} to {high:g}.")


def _check_system_prompt(text: str) -> None:
    if len(text) > MAX_SYSTEM_PROMPT_CHARACTERS:
        raise ProbeRefused(
            "system_prompt",
            f"The system prompt has {len(text):,} characters; shorten it to {MAX_SYSTEM_PROMPT_CHARACTERS:,}.",
        )
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ProbeRefused(
            "system_prompt", "The system prompt contains an invalid character (NUL or a lone surrogate). Delete it."
        )
