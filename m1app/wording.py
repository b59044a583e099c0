"""How pages, exports, reports and commands phrase the same things: verdicts, durations, sizes, counts and shares."""

import math
import re
from enum import StrEnum

from m1app.targets import hamming_score, has_several


class Verdict(StrEnum):
    """How an answer was judged. Pages use the value to pick a colour."""

    RIGHT = "right"
    WRONG = "wrong"
    UNANSWERED = "unanswered"
    """The question has options, but the answer chose none."""
    UNSCORED = "unscored"


_VERDICT_WORDS = {
    Verdict.RIGHT: "right",
    Verdict.WRONG: "wrong",
    Verdict.UNANSWERED: "no option chosen",
    Verdict.UNSCORED: "not scored",
}


FIRST_NAMED_NOTE = (
    "Several options are right: this is how likely each is to be named first. It does not say how likely the whole "
    "answer is."
)
"""What option probabilities are where several options are right."""


def state_label(state: StrEnum) -> str:
    """The state of a trace, sweep or benchmark run, as it begins a line or fills a badge."""
    return "Done" if state == "completed" else state.value.capitalize()


def verdict_of(letter: str | None, is_correct: bool | None, has_options: bool = True) -> Verdict:
    """The verdict on an answer.

    Args:
        letter: the option it chose, if any.
        is_correct: None when there is no target or scoring has not happened.
        has_options: false for an open question, whose answers choose no option.
    """
    if is_correct:
        return Verdict.RIGHT
    if letter is None and has_options:
        return Verdict.UNANSWERED
    return Verdict.UNSCORED if is_correct is None else Verdict.WRONG


def verdict_words(verdict: Verdict) -> str:
    """A verdict in lower case, for use within a sentence."""
    return _VERDICT_WORDS[verdict]


def verdict_with_letter(letter: str | None, verdict: Verdict, target: str | None = None) -> str:
    """The chosen option and the verdict on it: "A, right", "no option chosen".

    Args:
        letter: the option it chose, or the options.
        verdict: on them.
        target: where several are right, a wrong answer's share of them is added: "A, wrong (Hamming score 0.50)".
    """
    words = verdict_words(verdict)
    share = f" ({part})" if verdict is Verdict.WRONG and (part := _hamming(letter, target)) else ""
    return f"{letter}, {words}{share}" if letter else words


def verdict_label(
    letter: str | None, is_correct: bool | None, target: str | None, has_options: bool = True, reason: str = ""
) -> str:
    """The verdict as a label of its own: "✓ Right: A", "✗ Wrong: B, target A"; where several are right, "✗ Wrong: B,
    target A, B; Hamming score 0.50".

    Args:
        letter: the option the answer chose, if any.
        is_correct: None when there is no target or scoring has not happened.
        target: the letter of the right option, or of all right ones, if known.
        has_options: false for an open question.
        reason: why no option was recognised; shown in parentheses.
    """
    if is_correct:
        return f"✓ Right: {letter}"
    if letter:
        part = f"; {found}" if (found := _hamming(letter, target)) else ""
        chosen = "Chosen options" if has_several(letter) else "Chosen option"
        return f"{chosen}: {letter}" if is_correct is None else f"✗ Wrong: {letter}, target {target}{part}"
    if not has_options:
        return "Not scored"
    nothing = f"No option chosen ({reason})" if reason else "No option chosen"
    return nothing if is_correct is None else f"✗ {nothing}, target {target}"


def _hamming(letter: str | None, target: str | None) -> str:
    """The Hamming score of an answer where several options are right; empty where one is."""
    return f"Hamming score {hamming_score(letter, target):.2f}" if has_several(target) else ""


_BASES = {
    "boxed": "the answer's box",
    "field": "a tag or a field",
    "stated": "a statement",
    "marked": "separate bold text",
    "line": "a separate line, or the end of the answer",
    "named": "the only option that the answer names",
    "whole_answer": "all of the answer",
    "answer_is": "a statement",
    "letter": "the last standalone letter",
    "option_text": "an option's text",
    "most_similar": "a guess: the option most like the answer",
}
_SAYINGS = {
    "chooses": "a statement that chooses",
    "final answer": "a final answer",
    "answer is": "a statement of the answer",
    "label": "a label for the answer",
    "is right": "a statement of what is right",
    "concludes": "a conclusion",
    "corrects": "a correction",
    "it is": "a statement of what it is",
    "supports": "a statement in support",
}
_LANGUAGES = {"en": "English", "de": "German", "es": "Spanish", "fr": "French", "ko": "Korean", "zh": "Chinese"}
_RULE_IN_LANGUAGE = re.compile(r"(?P<rule>.*) \((?P<language>[a-z]{2})\)")


def basis_label(rule: str | None, words: str | None) -> str:
    """What a letter rests on, in plain words: "Read from “the answer is C”: a statement of the answer, in English.";
    empty if nothing is known of it.

    Args:
        rule: as it is stored and exported: "stated: answer is (en)".
        words: of the answer.
    """
    if not rule:
        return ""
    shown = " ".join((words or "").split())
    if not shown:
        return f"Read from {kind}." if (kind := _BASES.get(rule.partition(":")[0])) else ""
    if rule.partition(":")[0] not in _BASES:
        return f"Found “{shown[:200]}{'…' if len(shown) > 200 else ''}”, but no option for certain."
    kind = _kind_of_basis(rule)
    return f"Read from “{shown[:200]}{'…' if len(shown) > 200 else ''}”: {kind}."


def _kind_of_basis(rule: str) -> str:
    how, _, own = rule.partition(": ")
    found = _RULE_IN_LANGUAGE.fullmatch(own)
    saying = _SAYINGS.get(found["rule"] if found else own, "")
    language = _LANGUAGES.get(found["language"], "") if found else ""
    kind = saying if how == "stated" and saying else _BASES[how]
    return f"{kind}, in {language}" if language else kind


def duration(seconds: float) -> str:
    """Seconds as "2.5 s", "40 s", "12 min", "3 h 05 min" or "2 d 4 h"."""
    if 0 < seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = max(0, round(seconds))
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24} h"


def rate(per_second: float) -> str:
    """A rate as "2.5/s" or "12.0/min"."""
    return f"{per_second:,.1f}/s" if per_second >= 1 else f"{per_second * 60:,.1f}/min"


def size(count: float) -> str:
    """Bytes as "512 B", "1.5 kB", "93 MB" or "15.2 GB"."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    digits = 0 if unit == "B" or value >= 100 else 1
    return f"{value:,.{digits}f} {unit}"


def parameter_count(count: int | None) -> str:
    """A model's parameters as "494M" or "7.6B"; "unknown" for None or 0."""
    if not count:
        return "unknown"
    if count >= 1e9:
        return f"{count / 1e9:,.1f}B"
    return f"{count / 1e6:.{0 if count >= 1e7 else 1}f}M"


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 question", "1,200 questions".

    Args:
        count: 0 or more.
        noun: in the singular.
        plural: where adding an "s" does not form it ("passes").
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def percent(share: float, digits: int = 1) -> str:
    """A share from 0 to 1 as a percentage; a dash for NaN, the share of nothing."""
    return "–" if math.isnan(share) else f"{share:.{digits}%}"


def percent_with_interval(share: float, low: float, high: float) -> str:
    """A share and its confidence interval: "62.0% (55.1% to 68.4%)"."""
    return f"{percent(share)} ({percent(low)} to {percent(high)})"


def points(difference: float) -> str:
    """A difference between two shares in percentage points, with its sign unless it is 0 to one decimal."""
    shown = f"{difference * 100:+.1f}"
    return "0.0" if shown in ("+0.0", "-0.0") else shown.replace("-", "\N{MINUS SIGN}")


def p_value(p: float) -> str:
    """A p-value as "p = 0.031" or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def mean_count(mean: float) -> str:
    """A mean number of tokens as "1,204"; a dash for NaN, where nobody counted them."""
    return "–" if math.isnan(mean) else f"{mean:,.0f}"


def budget(tokens: int) -> str:
    """A thinking budget as "4,096 tokens"; 0 is one that the file of an imported run does not state."""
    return f"{tokens:,} tokens" if tokens else "budget not stated"


def cell(budget_tokens: int, force_rounds: int) -> str:
    """A cell of a grid: "4,096 tokens, 1 round"."""
    return f"{budget(budget_tokens)}, {counted(force_rounds, 'round')}"


def tokens_account(generated: int, seconds: float, if_separate: int) -> str:
    """What a grid of cells cost, compared with running each cell separately.

    Args:
        generated: tokens.
        seconds: how long they took.
        if_separate: tokens of separate runs; 0 when unknown, which leaves out the comparison.
    """
    made = f"{generated:,} tokens generated in {duration(seconds)}"
    if not generated or not if_separate:
        return made
    return f"{made}; separate runs of every cell: {if_separate:,} tokens, {if_separate / generated:.1f} times as many"


def shown_answer(text: str) -> str:
    """An answer without the colon or blank that it begins with: it follows a lead-in that is not shown with it."""
    return text.lstrip(": \n")


def interrupted_note(*, is_own: bool) -> str:
    """What a page says of a run whose process is gone.

    Args:
        is_own: whether the reader may resume it.
    """
    onward = "Resume continues from there." if is_own else _OTHERS_RESUME
    return f"The app stopped while this was running. What was saved is shown below. {onward}"


def interrupted_strategies_note(*, is_own: bool) -> str:
    """The same for a run of strategies, which is saved request by request."""
    onward = "" if is_own else f" {_OTHERS_RESUME}"
    return (
        "The app stopped while this was running. Finished requests are kept. Resume starts the others again; what "
        f"they had generated counts as wasted.{onward}"
    )


_OTHERS_RESUME = "The person who started it, or an admin, can resume it."
