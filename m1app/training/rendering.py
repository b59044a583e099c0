"""Renders samples as training text with the profile: as the app will prompt the model later, or as its own data were.

As asked, the prompt equals that of `models.thinking.prompting.build_prompt` for the same question, and the completion
starts with the opening that the app inserts. The app tokenizes part by part: training should do the same with `parts`;
full strings are joined so that few tokenizers see a difference (see `_glue`). The loss is for the completion only.

The answer then has the form that the profile's prompt asks for: if it names no option in that form, a last line with
the target is added. "own-data" is for reproducing a family's own training, whose text is in the profile: m1's leaves
out the sentence about the box and writes "Answer: " instead.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from m1app.question.answers.scoring import lead_in, score
from m1app.question.wording import render_question
from m1app.targets import has_several
from m1app.training.curation_steps import SHOWN_EXAMPLES, StepReport, shown
from m1app.training.errors import NoChatTemplate
from m1app.training.preferences.pairs import PreferencePair
from m1app.training.samples import TrainingSample
from models.profiles import OwnDataSection, Profile
from models.profiles.stand_ins import SYSTEM, USER

Rendering = Literal["as-asked", "own-data"]
PartKind = Literal["open", "reasoning", "close", "answer", "end"]
Messages = list[dict[str, str]]
ApplyChatTemplate = Callable[[Messages], str]
"""The base model's own template over messages of {role, content}, ready for the assistant's turn.

`tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)`, or an engine's equivalent. It may
raise ValueError if there is no template, or NoChatTemplate; it is not called if the profile has a template.
"""

_SPECIAL = re.compile(r"<[|｜][^<>\s]{1,40}[|｜]>|<(?:bos|eos|start_of_turn|end_of_turn|unused\d+)>|</?think>|</?s>")


@dataclass(frozen=True, slots=True)
class RenderedSample:
    """A sample as text."""

    prompt: str
    """Text up to the assistant's turn; no loss."""
    completion: str
    """The assistant's turn, including delimiters and end of turn; the loss is on all of it."""
    parts: tuple[tuple[PartKind, str], ...]
    """The parts of the completion: opening, reasoning, closing, answer, end."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the question: letter to text."""
    target: str | None = None
    """Letter of the right option."""
    rejected: "RenderedSample | None" = None
    """Of a preference pair, the response to avoid, after the same prompt; None for a sample."""

    @property
    def responses(self) -> tuple["RenderedSample", ...]:
        """The sample itself; of a pair, both responses."""
        return (self, self.rejected) if self.rejected else (self,)


@dataclass(frozen=True, slots=True)
class RenderedData:
    """A data set as text, and what could not be used."""

    samples: tuple[RenderedSample, ...]
    reports: tuple[StepReport, ...]


def render(
    sample: TrainingSample,
    profile: Profile,
    rendering: Rendering,
    apply_chat_template: ApplyChatTemplate,
    end_of_turn: str,
) -> RenderedSample:
    """Render the sample as the app would have asked it and the model should have answered, or as its own data.

    Args:
        sample: the sample.
        profile: the family's delimiters and chat template.
        rendering: which text; "own-data" is the same as "as-asked" for a profile without it.
        apply_chat_template: the base model's template; only called if the profile leaves the prompt to it.
        end_of_turn: the token that ends the assistant's turn, spelled out; see `end_of_turn`.

    Raises:
        NoChatTemplate: the profile leaves the prompt to the base model, and that has no usable template.
        InvalidPromptTemplate: the wording would drop the question or its options.
    """
    own = profile.own_data if rendering == "own-data" else None
    wording = own or profile.prompt
    user = render_question(wording, sample.question, dict(sample.options), sample.target)
    opening, closing = profile.thinking.opening, own.close if own else profile.thinking.natural_close
    parts: tuple[tuple[PartKind, str], ...] = (
        ("open", opening),
        ("reasoning", reasoning_part(sample.reasoning, opening, closing)),
        ("close", closing),
        ("answer", _own_answer(sample, own) if own else _answer(sample, profile)),
        ("end", end_of_turn + (own.after_end if own else "")),
    )
    return RenderedSample(
        _prompt(profile, user, apply_chat_template),
        "".join(text for _, text in parts),
        tuple(filter(_holds_text, parts)),
        dict(sample.options),
        sample.target,
    )


def render_pair(
    pair: PreferencePair,
    profile: Profile,
    rendering: Rendering,
    apply_chat_template: ApplyChatTemplate,
    end_of_turn: str,
) -> RenderedSample:
    """Render a preference pair: the better response exactly as a sample, the other in the same form.

    A last line that names an option is added to both alike, to each its own: where only one had it, the form would
    tell them apart. Args and errors as in `render`.
    """
    letter = score(pair.rejected.answer, pair.options, pair.target).letter
    other = replace(pair.rejected_sample, target=letter)
    chosen, rejected = (
        render(each, profile, rendering, apply_chat_template, end_of_turn) for each in (pair.chosen_sample, other)
    )
    # Whether several options are right is said in the prompt, and the other answer may name one only.
    return replace(chosen, rejected=replace(rejected, prompt=chosen.prompt))


def reasoning_part(reasoning: str, opening: str, closing: str) -> str:
    """The reasoning as it stands between these delimiters."""
    return _glue(opening) + reasoning.strip() + ("" if closing[:1].isspace() else "\n")


def render_all(
    samples: Sequence[TrainingSample | PreferencePair],
    profile: Profile,
    rendering: Rendering,
    apply_chat_template: ApplyChatTemplate,
    end_of_turn: str,
) -> RenderedData:
    """Render all samples or pairs that are usable as they are; none is cut. Other args and errors as in `render`.

    Token counts are left to callers with the base's tokenizer.
    """
    spelled = [shown(sample.question) for sample in samples if holds_delimiter(sample, profile)]
    clean = [sample for sample in samples if not holds_delimiter(sample, profile)]
    report = _report("delimiters", f"{len(spelled):,} contain a chat template token", len(samples), spelled)
    chosen = (profile, rendering, apply_chat_template, end_of_turn)
    kept = tuple(
        render_pair(each, *chosen) if isinstance(each, PreferencePair) else render(each, *chosen) for each in clean
    )
    return RenderedData(kept, (report,))


def end_of_turn(profile: Profile) -> str:
    """Return the token that ends the assistant's turn in the profile's own chat template.

    This is a guess for profiles that leave the prompt to the base model: use the tokenizer's end of turn there.
    """
    return profile.answer.stop_tokens[0]


def holds_delimiter(sample: TrainingSample | PreferencePair, profile: Profile) -> bool:
    """Whether a text spells a special token, which training would treat as the token itself.

    The app tokenizes user input separately from the template; a string tokenized as a whole cannot.
    """
    said = (sample.chosen, sample.rejected) if isinstance(sample, PreferencePair) else (sample,)
    texts = [
        sample.question,
        *sample.options.values(),
        *(text for each in said for text in (each.reasoning, each.answer)),
    ]
    spelled = (*profile.thinking.stop_tokens, *profile.thinking.stop_texts, *profile.answer.stop_tokens)
    return any(_SPECIAL.search(text) or any(token in text for token in spelled) for text in texts)


def split_specials(text: str) -> tuple[int, int]:
    """How many special tokens a rendered text spells, and how many characters the rest has."""
    found = _SPECIAL.findall(text)
    return len(found), len(text) - sum(map(len, found))


def closes_thinking_itself(profile: Profile) -> bool:
    """Whether a model trained with this profile learns to end its thinking by itself.

    If so, its closing starts with what the app recognises as the end. Otherwise (plain instruct models, whose thinking
    ends with the turn) the trained model writes the closing sentence as part of its thinking.
    """
    closing = profile.thinking.natural_close
    return closing.startswith((*profile.thinking.stop_tokens, *profile.thinking.stop_texts))


def stand_in_messages(profile: Profile) -> Messages:
    """The messages passed to `apply_chat_template`, so that callers can query an engine once in advance."""
    system = profile.chat.default_system
    messages = [{"role": "user", "content": USER}]
    return [{"role": "system", "content": SYSTEM}, *messages] if system else messages


def _prompt(profile: Profile, user: str, apply_chat_template: ApplyChatTemplate) -> str:
    chat = profile.chat
    if chat.source == "profile":
        template = chat.template if chat.default_system else chat.template_without_system
        template = template.replace("{system}", SYSTEM).replace("{user}", USER)
    else:
        template = _base_template(profile, apply_chat_template)
    before, after = template.split(USER)
    return before.replace(SYSTEM, chat.default_system, 1) + user + after


def _base_template(profile: Profile, apply_chat_template: ApplyChatTemplate) -> str:
    advice = f"Choose a profile with its own template, such as m1, instead of {profile.id}, or an instruct model."
    try:
        template = apply_chat_template(stand_in_messages(profile))
    except ValueError as exc:
        raise NoChatTemplate(f"The base model has no usable chat template ({exc}). {advice}") from exc
    if template.count(USER) != 1:
        raise NoChatTemplate(f"The base model's chat template does not contain the question exactly once. {advice}")
    return template


def _glue(before: str) -> str:
    """Separator between a delimiter and the text after it, so that no tokenizer merges the two.

    A line break after a word, as in m1's template; a space after punctuation, which tokenizers attach to the next word,
    while ".\n" would be one token.
    """
    if not before or before[-1].isspace() or before[-1] == ">":
        return ""
    return "\n" if before[-1].isalnum() else " "


def _own_answer(sample: TrainingSample, own: OwnDataSection) -> str:
    answer = sample.answer.strip()
    return answer if own.answer_prefix.strip() in answer else own.answer_prefix + answer


def _answer(sample: TrainingSample, profile: Profile) -> str:
    wording, closing = profile.prompt, profile.thinking.natural_close
    answer = sample.answer.strip()
    sentence = lead_in(closing)
    if " " in sentence.strip():
        return _continued(sample, sentence, answer)
    asked = wording.for_several if has_several(sample.target) else wording.with_options
    asked_box = "\\boxed" in (asked if sample.options else wording.open)
    return _glue(closing) + (answer if _is_in_form(answer, sample, asked_box) else _with_option(sample, asked_box))


def _continued(sample: TrainingSample, sentence: str, answer: str) -> str:
    """The answer after a closing sentence that it continues."""
    if not sample.options or sample.target is None:
        return f":\n\n{answer}"
    return f" {_named(sample.target, sample.options)}" + (f"\n\n{answer}" if answer else "")


def _is_in_form(answer: str, sample: TrainingSample, asked_box: bool) -> bool:
    if not sample.options or sample.target is None:
        return True
    return score(answer, sample.options, sample.target).letter is not None and (not asked_box or "\\boxed" in answer)


def _with_option(sample: TrainingSample, asked_box: bool) -> str:
    target = sample.target or ""
    last = f"\\boxed{{{target}}}" if asked_box else f"The answer is {_named(target, sample.options)}"
    return f"{sample.answer.strip()}\n\n{last}".strip()


def _named(target: str, options: Mapping[str, str]) -> str:
    return f"{target}. {' '.join(options[target].split())}" if target in options else target


def _holds_text(part: tuple[PartKind, str]) -> bool:
    return bool(part[1])


def _report(step: str, title: str, before: int, dropped: Sequence[str]) -> StepReport:
    return StepReport(step, title, before, before - len(dropped), tuple(dropped[:SHOWN_EXAMPLES]))
