"""Export a trace: JSON as printed by the command line."""

from typing import Any

from m1app import __version__
from storage.branches.records import Branch
from storage.traces.records import Checkpoint, Trace


def trace_json(trace: Trace, branch: Branch | None = None) -> dict[str, Any]:
    """One JSON object with everything needed to read, score or repeat the trace; token ids included.

    Args:
        trace: the trace.
        branch: where it comes from; None if it is no branch.
    """
    return {
        "trace_id": trace.id,
        "created_at": trace.created_at.isoformat(),
        "state": trace.state.value,
        "branch": branch_json(branch),
        "name": trace.name or None,
        "tags": list(trace.tags),
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
        "note": trace.note or None,
        "app_version": __version__,
    }


def branch_json(branch: Branch | None) -> dict[str, Any] | None:
    """Where a trace comes from; None if it is no branch."""
    if branch is None:
        return None
    return {
        "parent_trace_id": branch.parent_id,
        "parent_checkpoint_id": branch.checkpoint_id,
        "kept_tokens": branch.kept_tokens,
        "kept_characters": branch.kept_characters,
        "inserted_tokens": branch.inserted_tokens,
        "replaced": branch.replaced,
        "written": branch.written,
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
