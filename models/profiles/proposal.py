"""Proposes a profile from what a model's chat template makes of a few conversations. Pure.

What a template does not say is left to the person who reads the proposal: how a question is worded, and how thinking is
cut off. Delimiters are those of known families, if the template or the vocabulary has them.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.profiles.stand_ins import ASSISTANT, SYSTEM, USER

_STEP_BY_STEP = "You are a medical expert. Think about the question step by step, then give the final answer."
_BOX = "{question}\n{options}\nPlease reason step by step, and put your final answer within \\boxed{}."
DELIMITER = re.compile(r"<[^<>\s]{1,40}>|\[/?[A-Z_]{2,20}\]")
"""A spelling that vocabularies have as a token of its own, such as <|im_end|>."""


@dataclass(frozen=True, slots=True)
class ThinkingPair:
    """How a family opens and closes its thinking."""

    opening: str
    close: str
    """What the model writes."""
    natural_close: str
    overrun_close: str
    is_rare: bool = False
    """True if vocabularies have its tokens although their models do not think: only a template or a name shows it."""
    name: str = ""
    """Part of the names of its models; empty for any."""


PAIRS = (
    ThinkingPair("<think>\n", "</think>", "</think>\n\n", "\n</think>\n\n"),
    ThinkingPair("[THINK]", "[/THINK]", "[/THINK]", "[/THINK]"),
    ThinkingPair(
        "<|channel|>analysis<|message|>",
        "<|end|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    ThinkingPair("<unused94>thought\n", "<unused95>", "<unused95>", "<unused95>", is_rare=True, name="medgemma"),
    ThinkingPair("<|im_start|>think\n", "<|im_start|>", "<|im_start|>answer", "<|im_start|>answer", is_rare=True),
    ThinkingPair("<thinking>\n", "</thinking>", "</thinking>\n\n", "\n</thinking>\n\n"),
    ThinkingPair("<reasoning>\n", "</reasoning>", "</reasoning>\n\n", "\n</reasoning>\n\n"),
)


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """What is known of a model's template."""

    template: str
    """The template itself; empty if only what it renders is known."""
    with_system: str | None
    """Rendered with `SYSTEM` and `USER`, up to the assistant's turn; None if it refuses a system prompt."""
    without_system: str
    with_answer: str | None = None
    """Rendered with `USER` and the answer `ASSISTANT`, the assistant's turn being over; None if that is unknown."""
    eos_token: str = ""
    vocabulary: Collection[str] = ()
    """Spellings of the vocabulary's tokens; empty if it is unknown."""
    names: Sequence[str] = ()
    """Names of the model."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A profile's fields, and what its reader should know."""

    values: dict[str, Any]
    """As in a profile's file."""
    notes: list[str] = field(default_factory=list)


class NoProposal(ValueError):
    """No profile can be made of it; the message says why and what to do."""


def propose(facts: TemplateFacts, reference: str) -> Proposal:
    """Propose a profile.

    Args:
        facts: what the template makes of the stand-ins.
        reference: where the template comes from.

    Raises:
        NoProposal: the template does not carry the question exactly once.
    """
    notes: list[str] = []
    pair = _pair_of(facts)
    without = _prompt(_cut_thinking(facts.without_system, pair, notes))
    chat = {
        "source": "profile",
        "template": _with_system(facts, pair, without, notes),
        "template_without_system": without,
    }
    ends = _ends(facts, notes)
    if pair is None:
        notes.append(
            "Neither template nor vocabulary has delimiters for thinking that the app knows. The model is asked to "
            "think step by step, and a sentence closes its thinking; change both if the family uses something else."
        )
        chat["default_system"] = _STEP_BY_STEP
        sentence = "\n\nTherefore, the final answer is"
        thinking = {"opening": "Let's think step by step.", "natural_close": sentence, "overrun_close": sentence}
        stops, prompt = ends, "{question}\n{options}"
    else:
        thinking = {
            "opening": pair.opening,
            "natural_close": pair.natural_close,
            "overrun_close": pair.overrun_close,
        }
        stops, prompt = [pair.close, *(each for each in ends if each != pair.close)], _BOX
    if "strftime_now" in facts.template:
        notes.append("The template writes the date. The profile keeps today's; edit it to leave it out.")
    title = f"Made from the template of {facts.names[0]}" if facts.names else "Made from a chat template"
    return Proposal(
        {
            "title": title,
            "reference": reference,
            "models": [],
            "hints": [],
            "chat": {**chat, "reference": reference},
            "prompt": {"with_options": prompt, "open": "{question}"},
            "thinking": {**thinking, "stop_tokens": stops, "stop_texts": [], "wait": "Wait"},
            "answer": {"stop_tokens": ends, "option_prefix": "\\boxed{" if pair else ""},
        },
        notes,
    )


def _pair_of(facts: TemplateFacts) -> ThinkingPair | None:
    """The first known pair of the prompt, the template, or the vocabulary."""
    for text in (facts.without_system, facts.template):
        for pair in PAIRS:
            if pair.opening.rstrip("\n") in text:
                return pair
    names = " ".join(facts.names).lower()
    for pair in PAIRS:
        tokens = DELIMITER.findall(pair.opening + pair.close)
        if pair.name and pair.name in names:
            return pair
        if not pair.is_rare and tokens and all(token in facts.vocabulary for token in tokens):
            return pair
    return None


def _cut_thinking(text: str, pair: ThinkingPair | None, notes: list[str]) -> str:
    """The prompt without the beginning of thinking that some templates write, which is the profile's opening."""
    begins = text.rfind(pair.opening.rstrip("\n")) if pair else -1
    if pair is None or begins < 0 or begins < text.rfind(USER):
        return text
    if pair.close in text[begins + len(pair.opening.rstrip("\n")) :]:
        notes.append("By default, the template closes the thinking before it begins. The profile opens it instead.")
    return text[:begins]


def _prompt(text: str) -> str:
    if text.count(USER) != 1:
        raise NoProposal(
            f"The template writes the question {text.count(USER)} times, expected once. Choose another model or "
            "template."
        )
    if "{user}" in text or "{system}" in text:
        raise NoProposal("The template writes {user} or {system} itself, which profiles use for what is filled in.")
    return text.replace(USER, "{user}")


def _with_system(facts: TemplateFacts, pair: ThinkingPair | None, without: str, notes: list[str]) -> str:
    text = facts.with_system
    if text is not None and text.count(SYSTEM) == 1 and text.find(SYSTEM) < text.find(USER):
        return _prompt(_cut_thinking(text, pair, [])).replace(SYSTEM, "{system}")
    notes.append("The template has no place for a system prompt. If there is one, it is placed before the question.")
    return without.replace("{user}", "{system}\n\n{user}")


def _ends(facts: TemplateFacts, notes: list[str]) -> list[str]:
    """Tokens that end the assistant's turn."""
    _, _, after = (facts.with_answer or "").rpartition(ASSISTANT)
    found = DELIMITER.match(after.lstrip())
    ends = list(dict.fromkeys(each for each in (found[0] if found else "", facts.eos_token) if each))
    if not ends:
        notes.append("The template does not show what ends an answer; tokens of several families were taken.")
        return ["<|im_end|>", "<|eot_id|>", "<end_of_turn>", "</s>", "<|endoftext|>"]
    return ends
