"""Whether models that are compared were asked alike: prompts without their question, and where they differ.

Pure: traces in, values out.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from storage.traces.records import Trace

QUESTION = "{question and options}"


@dataclass(frozen=True, slots=True)
class AskedPrompt:
    """One way of asking, and who was asked so."""

    models: tuple[str, ...]
    profile: str
    text: str
    """The prompt and the opening of the thinking, with `QUESTION` in place of a question."""


def asked_prompts(traces: Iterable[Trace], openings: Mapping[str, str]) -> tuple[AskedPrompt, ...]:
    """The distinct ways in which these traces were asked, in order.

    Args:
        traces: of the models that are compared, in order.
        openings: profile id to the text that opens its thinking; missing for a profile that is gone.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for trace in traces:
        key = (trace.profile, _without_question(trace) + openings.get(trace.profile, ""))
        models = found.setdefault(key, [])
        if trace.model not in models:
            models.append(trace.model)
    return tuple(AskedPrompt(tuple(models), profile, text) for (profile, text), models in found.items())


def difference_value(prompts: tuple[AskedPrompt, ...]) -> dict[str, Any] | None:
    """What a page shows where prompts differ; None where all were asked alike.

    Each line of a prompt comes with whether the first prompt has it too.
    """
    if len(prompts) < 2:
        return None
    return {"said": difference_words(prompts), "prompts": [_shown(prompts[0], each) for each in prompts]}


def difference_words(prompts: tuple[AskedPrompt, ...]) -> str:
    """One or two sentences; empty where all were asked alike."""
    if len(prompts) < 2:
        return ""
    ways = "; ".join(f"{', '.join(each.models)}: profile {each.profile}" for each in prompts)
    return (
        f"The prompts differ ({ways}). A difference between these models may come from their prompts. To ask one "
        "model with another's prompt, choose “MODEL by PROFILE”."
    )


def _shown(first: AskedPrompt, each: AskedPrompt) -> dict[str, Any]:
    lines, others = each.text.split("\n"), (first.text if each is not first else "").split("\n")
    shared = [False] * len(lines)
    for block in difflib.SequenceMatcher(None, lines, others, autojunk=False).get_matching_blocks():
        shared[block.a : block.a + block.size] = [True] * block.size
    is_first = each is first
    return {
        "title": f"{', '.join(each.models)}: profile {each.profile}",
        "lines": [[line, is_first or is_shared] for line, is_shared in zip(lines, shared, strict=True)],
    }


def _without_question(trace: Trace) -> str:
    """The prompt with `QUESTION` from the beginning of the stem to the end of the last option."""
    before, stem, after = trace.prompt_text.partition(trace.question.stem)
    if not stem:
        return trace.prompt_text
    for option in trace.question.options.values():
        _, found, rest = after.partition(option.strip())
        after = rest if found else after
    return before + QUESTION + after
