"""Export a trace: JSON as printed by the command line, and readable Markdown."""

import re
from typing import Any

from m1app.wording import verdict_of, verdict_with_letter
from storage.traces.records import Checkpoint, Trace


def trace_json(trace: Trace) -> dict[str, Any]:
    """One JSON object with everything needed to read, score or repeat the trace; token ids included."""
    return {
        "trace_id": trace.id,
        "created_at": trace.created_at.isoformat(),
        "state": trace.state.value,
        "question": trace.question.stem,
        "options": dict(trace.question.options),
        "target": trace.question.target,
        "segments": [
            {
                "kind": segment.kind.value,
                "text": segment.text,
                "token_count": segment.token_count,
                "token_ids": list(segment.token_ids),
                "seconds": segment.seconds,
                "finish_reason": segment.finish_reason,
            }
            for segment in trace.segments
        ],
        "thinking_tokens": trace.thinking_tokens,
        "answer": trace.answer_text,
        "letter": trace.answer_letter,
        "correct": trace.is_correct,
        "letter_basis": basis_json(trace),
        "finish_reason": trace.thinking_finish_reason.value if trace.thinking_finish_reason else None,
        "option_probabilities": dict(trace.option_probabilities) if trace.option_probabilities else None,
        "tokens_generated": trace.tokens_generated,
        "time_to_first_token_seconds": trace.time_to_first_token_seconds,
        "seconds": trace.seconds,
        "tokens_per_second": trace.tokens_per_second,
        "error": trace.error or None,
        "engine": {
            "name": trace.engine_name,
            "kind": trace.engine_kind,
            "version": trace.engine_version,
            "model": trace.model,
        },
        "profile": trace.profile,
        "profile_is_guess": trace.profile_is_guess,
        "settings": {
            "thinking_budget_tokens": trace.thinking_budget_tokens,
            "force_rounds": trace.force_rounds,
            "answer_cap_tokens": trace.answer_cap_tokens,
            "temperature": trace.temperature,
            "top_p": trace.top_p,
            "seed": trace.seed,
            "system_prompt": trace.system_prompt,
        },
        "prompt_text": trace.prompt_text,
        "prompt_sha256": trace.prompt_sha256,
    }


def basis_json(answer: Trace | Checkpoint) -> dict[str, Any] | None:
    """What an answer's letter, or its absence, rests on, and which version of the rule read it; None if unread.

    `start` and `end` count code points of the answer.
    """
    if answer.letter_rule is None:
        return None
    return {
        "rule": answer.letter_rule,
        "words": answer.letter_words or None,
        "start": answer.letter_start,
        "end": answer.letter_end,
        "strict_version": answer.strict_version,
    }


def trace_markdown(trace: Trace) -> str:
    """The trace as Markdown: question, thinking with its force rounds, answer, settings.

    Texts are put in fenced blocks and names are escaped, so that model or engine output is never rendered as Markdown.
    """
    question = trace.question
    verdict = verdict_of(trace.answer_letter, trace.is_correct, bool(question.options))
    options = "\n".join(f"{letter}. {text}" for letter, text in question.options.items())
    parts = [
        f"# Trace {trace.id}",
        "Research use only; not medical advice.",
        "## Question",
        _fenced(f"{question.stem}\n{options}".strip()),
        f"Target: {question.target or 'none'}",
        f"## Thinking ({trace.thinking_tokens:,} of {trace.thinking_budget_tokens:,} tokens)",
        _fenced(trace.thinking_text),
        "## Answer",
        _fenced(trace.answer_text),
        f"Verdict: {verdict_with_letter(trace.answer_letter, verdict, question.target)}",
        *_basis_lines(trace),
        "## Settings",
        _settings_table(trace),
    ]
    return "\n\n".join(parts) + "\n"


def _basis_lines(trace: Trace) -> list[str]:
    return (
        [f"The letter rests on the rule `{trace.letter_rule}`:", _fenced(trace.letter_words)]
        if trace.letter_words
        else []
    )


def _fenced(text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}"


def _settings_table(trace: Trace) -> str:
    rows = {
        "model": trace.model,
        "engine": f"{trace.engine_name} ({trace.engine_kind} {trace.engine_version})".replace(" )", ")"),
        "profile": trace.profile + (" (a guess)" if trace.profile_is_guess else ""),
        "thinking budget": f"{trace.thinking_budget_tokens:,} tokens",
        "force rounds": trace.force_rounds,
        "temperature": trace.temperature,
        "top-p": trace.top_p,
        "seed": trace.seed,
        "thinking ended": trace.thinking_finish_reason.value if trace.thinking_finish_reason else "not yet",
        "state": trace.state.value,
        "error": trace.error or None,
        "tokens generated": f"{trace.tokens_generated:,}",
        "seconds": None if trace.seconds is None else round(trace.seconds, 2),
        "created": trace.created_at.isoformat(timespec="seconds"),
    }
    lines = [f"| {name} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def _cell(value: object) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return re.sub(r"([\\`*\[\]<>|!&])", r"\\\1", text)
