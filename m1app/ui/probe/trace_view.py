"""Traces as shown in the trace pane; the pane itself is `trace_pane.{html,js}`."""

from typing import Any

from m1app.question.answers.scoring import no_letter_reason, score
from m1app.question.pastes.summary import first_words
from m1app.runs.live_probe import scored_text
from m1app.targets import has_several, letters_of
from m1app.wording import FIRST_NAMED_NOTE, basis_label, counted, percent, state_label, verdict_label, verdict_of
from storage.traces.records import COUNTED_AS_THINKING, Segment, SegmentKind, ThinkingFinishReason, Trace, TraceState

_FINISH = {
    ThinkingFinishReason.NATURAL: "The model ended its thinking.",
    ThinkingFinishReason.BUDGET: "Thinking used up the budget.",
    ThinkingFinishReason.EARLY_EXIT: "Closed by a person at {tokens}.",
    ThinkingFinishReason.STOPPED: "Thinking was stopped.",
    ThinkingFinishReason.FAILED: "An error ended the thinking.",
}
_SEGMENT_NAMES = {
    SegmentKind.THINK: "thinking",
    SegmentKind.WAIT: "force round (inserted)",
    SegmentKind.EDIT: "edit (written by a person)",
    SegmentKind.CLOSE: "closing (inserted)",
    SegmentKind.ANSWER: "answer",
}
_ENDED = {"natural": "natural stop", "budget": "token limit", "early_exit": "closed by a person"}

PaneValue = dict[str, Any]


def pane_value(trace: Trace, save_error: str = "", *, is_kept: bool = True) -> PaneValue:
    """The pane's value for a running or finished trace."""
    thinking = [s for s in trace.segments if s.kind in COUNTED_AS_THINKING]
    return {
        "id": trace.id,
        "question": first_words(trace.question.stem),
        "state": trace.state.value,
        "state_label": _state_label(trace) + ("" if is_kept else ", not kept"),
        "is_kept": is_kept,
        "budget": trace.thinking_budget_tokens,
        "used": trace.thinking_tokens,
        "rounds": trace.force_rounds,
        "rounds_used": sum(s.kind is SegmentKind.WAIT for s in trace.segments),
        "rate": trace.tokens_per_second,
        "first_token_seconds": trace.time_to_first_token_seconds,
        "generated": trace.tokens_generated,
        "notice": _notice(trace, save_error),
        "thinking": [{"kind": s.kind.value, "text": s.text} for s in thinking],
        "answer": _answer(trace),
        "result": None if trace.state is TraceState.RUNNING else _result(trace),
    }


def _state_label(trace: Trace) -> str:
    if trace.state is not TraceState.RUNNING:
        return state_label(trace.state)
    if not trace.segments or not trace.tokens_generated:
        return "Waiting for the engine"
    return "Answering" if trace.segments[-1].kind is SegmentKind.ANSWER else "Thinking"


def _notice(trace: Trace, save_error: str) -> str:
    parts = [trace.error]
    if trace.state is TraceState.INTERRUPTED:
        parts.append(
            "The app stopped while this was running. What was saved is shown below. Resume continues from there; Run "
            "again starts over."
        )
    if save_error:
        parts.append(f"This trace is not saved yet: {save_error} The app keeps trying; you can also download it.")
    return " ".join(part for part in parts if part)


def _answer(trace: Trace) -> list[dict[str, str]]:
    """The answer, preceded by the last line of its opening ("Final Answer:")."""
    lead_in = "".join(s.text for s in trace.segments if s.kind is SegmentKind.CLOSE).rpartition("\n")[2]
    shown = [{"kind": "lead", "text": lead_in}] if lead_in and not lead_in.startswith("<") else []
    if any(s.kind is SegmentKind.ANSWER for s in trace.segments):
        shown.append({"kind": "answer", "text": trace.answer_text})
    return shown


def _result(trace: Trace) -> dict[str, Any]:
    options = trace.question.options
    probabilities = trace.option_probabilities or {}
    return {
        "verdict": verdict_of(trace.answer_letter, trace.is_correct, bool(trace.question.options)),
        "verdict_label": _verdict_label(trace),
        "basis": basis_label(trace.letter_rule, trace.letter_words),
        "finish": _finish(trace),
        "options": [
            {
                "letter": letter,
                "text": text,
                "is_chosen": letter in letters_of(trace.answer_letter),
                "is_target": letter in letters_of(trace.question.target),
                "probability": probabilities.get(letter),
            }
            for letter, text in options.items()
        ],
        "other": _other(trace),
        "segments": [_segment_row(segment) for segment in trace.segments],
        "details": _details(trace),
    }


def _finish(trace: Trace) -> str:
    if trace.thinking_finish_reason is None:
        return ""
    return _FINISH[trace.thinking_finish_reason].format(tokens=counted(trace.thinking_tokens, "token"))


def _verdict_label(trace: Trace) -> str:
    reason = "" if trace.answer_letter else _why_no_option(trace)
    return verdict_label(
        trace.answer_letter, trace.is_correct, trace.question.target, bool(trace.question.options), reason
    )


def _why_no_option(trace: Trace) -> str:
    how = (trace.letter_rule or "").partition(":")[0]
    if not how:
        how = score(scored_text(trace.segments), trace.question.options, trace.question.target).how
    return no_letter_reason(how)


def _other(trace: Trace) -> str:
    """What to say about the options' probabilities, or about their absence where an answer should have had them."""
    probabilities = trace.option_probabilities
    if not probabilities:
        is_due = trace.state is TraceState.COMPLETED and bool(trace.question.options) and bool(trace.answer_text)
        return (
            "There are no option probabilities: the engine does not report them, or they were turned off."
            if is_due
            else ""
        )
    rest = max(0.0, 1.0 - sum(probabilities.values()))
    several = f" {FIRST_NAMED_NOTE}" if has_several(trace.question.target) else ""
    return (
        "Probability of each letter at the end of thinking; "
        f"{percent(rest)} went to tokens that are not an option's letter.{several}"
    )


def _segment_row(segment: Segment) -> dict[str, Any]:
    return {
        "name": _SEGMENT_NAMES[segment.kind],
        "tokens": segment.token_count,
        "seconds": segment.seconds,
        "ended": _ENDED.get(segment.finish_reason or "", ""),
    }


def _details(trace: Trace) -> list[tuple[str, str]]:
    guess = " (a guess: no profile matches this model)" if trace.profile_is_guess else ""
    return [
        ("Model", trace.model),
        ("Engine", f"{trace.engine_name}, {trace.engine_kind} {trace.engine_version}".strip()),
        ("Profile", trace.profile + guess),
        ("Temperature", f"{trace.temperature:g}"),
        ("Top-p", f"{trace.top_p:g}"),
        ("Seed", "none (greedy)" if trace.seed is None else str(trace.seed)),
        ("Answer cap", f"{trace.answer_cap_tokens:,} tokens"),
        ("Generated", f"{trace.tokens_generated:,} tokens, everything the engine produced"),
        ("Seconds", "" if trace.seconds is None else f"{trace.seconds:.1f}"),
        ("Prompt SHA-256", trace.prompt_sha256),
        ("Started", trace.created_at.strftime("%Y-%m-%d %H:%M:%S UTC")),
    ]
