"""Fact tests as the Facts page shows them. Pure: values in, dictionaries out."""

import math
from collections.abc import Sequence
from typing import Any

from m1app.fact_tests.design import LEAST_SEEDS, MOST_SEEDS, Arm
from m1app.fact_tests.reading import NAMING, ArmReading, FactReading, reading_of, texts_of
from m1app.fact_tests.recipe import MOST_FACTS
from m1app.fact_tests.request import MOST_CHARACTERS
from m1app.fact_tests.service import FactOutlook, FactTestSnapshot, TestableFact
from m1app.fact_tests.statistics import Paired
from m1app.fact_tests.verdict import VERDICTS
from m1app.runs.pace import NOT_KNOWN, Pace
from m1app.targets import letters_of
from m1app.wording import counted, duration, interrupted_strategies_note, shown_answer, state_label
from storage.fact_tests.records import FactTest, FactTestSummary, WaitingFact
from storage.questions.records import Question
from storage.traces.records import TraceState

RESUMABLE = (TraceState.STOPPED, TraceState.FAILED, TraceState.INTERRUPTED)
_BEFORE, _AFTER = 500, 160
"""Characters shown around a mark."""
_OF_STUDY = (
    "A study made this test: nobody has marked where the fact was missing, and it does not count among people's tests."
)
_MOST_MARKED = 1_200
_MOST_TEXT = 6_000
"""Characters of a thinking or an answer in the page; the downloads have all."""


def form_value(of: TestableFact | None, problem: str = "", seeds: int = LEAST_SEEDS) -> dict[str, Any]:
    """What the form is filled with; without anything to test, only why."""
    if of is None:
        return {"problem": problem}
    text, case = of.case.thinking_text, of.case
    return {
        "problem": problem,
        "subject": {
            "case": case.id,
            "start": of.mark_start,
            "end": of.mark_end,
            "annotation": of.annotation_id,
        },
        **_asked(case.question),
        "answer": case.letter or "",
        "model": case.model,
        "before": text[max(0, of.mark_start - _BEFORE) : of.mark_start],
        "is_cut_off": of.mark_start > _BEFORE,
        "marked": text[of.mark_start : of.mark_end][:_MOST_MARKED],
        "after": text[of.mark_end : of.mark_end + _AFTER],
        "fact": of.fact,
        "is_of_annotation": bool(of.annotation_id),
        "seeds": str(min(seeds, MOST_SEEDS)),
        "most_characters": MOST_CHARACTERS,
        "case_link": f"/annotate/?case={case.id}",
    }


def outlook_value(of: FactOutlook, pace: Pace | None) -> dict[str, Any]:
    """What the form says while a test is written: cost, and whether the fact names the target.

    Args:
        of: what is known of the test.
        pace: how fast the model generates; None if it has not run.
    """
    time = f"up to about {duration(pace.seconds_for(of.tokens_at_most))} at {pace.words}" if pace else NOT_KNOWN
    cost = f"{counted(of.answers, 'answer')}: at most about {of.tokens_at_most:,} tokens, {time}."
    return {"outlook": cost, "names_target": _names_target(of.names_target)}


def _asked(question: Question) -> dict[str, Any]:
    targets = letters_of(question.target)
    return {
        "question": question.stem,
        "options": [
            f"{letter}. {text}{' (target)' if letter in targets else ''}" for letter, text in question.options.items()
        ],
        "target": question.target or "",
    }


def view_value(snapshot: FactTestSnapshot, *, is_own: bool = True) -> dict[str, Any]:
    """Everything that the page shows of a test but the texts, which it asks for.

    Args:
        snapshot: the test.
        is_own: whether the reader may stop it and go on with it.
    """
    test, run = snapshot.test, snapshot.run.run
    reading = reading_of(test, snapshot.run)
    result = snapshot.run.strategies[0].result
    total = sum(len(each.seeds) for each in reading.arms)
    done = sum(each.state != "open" for arm in reading.arms for each in arm.seeds)
    return {
        "id": test.run_id,
        "state": run.state.value,
        "state_label": state_label(run.state),
        "done": f"{done} of {total} answers",
        "account": f"{counted(result.generated, 'token')} generated in {duration(run.seconds)}",
        "can_stop": is_own and run.state is TraceState.RUNNING,
        "can_resume": is_own and _can_resume(reading, run.state),
        "again": "" if run.state is TraceState.RUNNING else _again(test),
        "notice": _notice(snapshot, is_own=is_own),
        **_asked(run.question),
        "answer": test.first_letter or "",
        "marked": test.marked[:_MOST_MARKED],
        "before": test.text_before[-_BEFORE:],
        "fact": test.fact,
        "names_target": _names_target(test.names_target),
        "study": _OF_STUDY if test.study_id else "",
        "study_link": f"/studies/?study={test.study_id}" if test.study_id else "",
        "verdict": _verdict(reading, run.state),
        "prefix_cache": reading.prefix_cache.said if done else "",
        "comparisons": [
            _comparison("The fact (B) against nothing (A)", reading.verdict.against_nothing),
            _comparison("The fact (B) against an unrelated one (C)", reading.verdict.against_unrelated),
        ],
        "arms": [_arm(each, reading) for each in reading.arms],
        "settings": _settings(snapshot),
        "length": _length(reading),
        "trace_link": f"/compare/?trace={test.trace_id}" if test.checkpoint_id else f"/?trace={test.trace_id}",
        "case_link": f"/annotate/?case={test.checkpoint_id or test.trace_id}",
    }


def _again(test: FactTest) -> str:
    """What leads to the form of another test like this one."""
    return "Test again, with more seeds" if test.seeds < MOST_SEEDS else "Test again"


def _can_resume(reading: FactReading, state: TraceState) -> bool:
    has_failed = any(each.state == "failed" for arm in reading.arms for each in arm.seeds)
    return state is not TraceState.RUNNING and (state in RESUMABLE or has_failed)


def _notice(snapshot: FactTestSnapshot, *, is_own: bool) -> str:
    run = snapshot.run.run
    parts = [run.error]
    if run.state is TraceState.INTERRUPTED:
        parts.append(interrupted_strategies_note(is_own=is_own))
    if snapshot.run.save_error:
        parts.append(f"This test is not saved yet: {snapshot.run.save_error} The app keeps trying.")
    return " ".join(filter(None, parts))


def _names_target(how: str) -> str:
    return f"{NAMING[how]}: the model may copy it. This test is counted separately." if how in NAMING else ""


def _verdict(reading: FactReading, state: TraceState) -> dict[str, Any]:
    verdict = reading.verdict
    is_over = state is TraceState.COMPLETED
    return {
        "kind": verdict.kind.value if is_over else "open",
        "sentence": verdict.sentence if is_over or verdict.n else "Arms A, B and C have no answers yet.",
        "so_far": "" if is_over else f"So far, with {counted(verdict.n, 'seed')}:",
    }


def _comparison(label: str, paired: Paired) -> dict[str, Any]:
    if not paired.n:
        return {"label": label, "said": "No seeds yet.", "difference": None, "low": -1.0, "high": 1.0}
    said = (
        f"{_points(paired.difference)} (95% interval {paired.low * 100:+.0f} to {paired.high * 100:+.0f}); "
        f"{paired.gained} gained, {paired.lost} lost of {counted(paired.n, 'seed')}; exact McNemar p = "
        f"{_p(paired.p_helps)} (one side: the fact helps), {_p(paired.p_value)} (two sides)"
    )
    return {"label": label, "said": said, "difference": paired.difference, "low": paired.low, "high": paired.high}


def _points(share: float) -> str:
    return f"{share * 100:+.0f} points"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _arm(arm: ArmReading, reading: FactReading) -> dict[str, Any]:
    right, before = arm.right, reading.arm(Arm.NOTHING).target_probability
    known, costs = arm.target_probability, arm.costs
    interval = f"{right.low:.0%} to {right.high:.0%}" if right.n else ""
    return {
        "letter": arm.arm.value,
        "title": arm.title,
        "probability": known,
        "change": "" if known is None or before is None or arm.arm is Arm.NOTHING else _points(known - before),
        "share": None if math.isnan(right.value) else right.value,
        "right": f"{sum(each.is_right for each in arm.seeds)} of {right.n}" if right.n else "–",
        "interval": interval,
        "seeds": [
            {
                "seed": each.seed,
                "state": each.state,
                "letter": each.letter or "",
                "is_right": each.is_right,
                "error": each.error[:400],
            }
            for each in arm.seeds
        ],
        "inserted": arm.inserted[:_MOST_TEXT],
        "inserted_tokens": arm.inserted_tokens,
        "tokens": [costs.generated, costs.injected, costs.prompt_new, costs.prompt_cached, costs.wasted],
    }


def _settings(snapshot: FactTestSnapshot) -> str:
    run, test = snapshot.run.run, snapshot.test
    return (
        f"{run.model}; cut after {len(test.kept_ids):,} tokens of thinking; each arm may generate "
        f"{run.thinking_tokens or 0:,} tokens of thinking and {run.answer_cap_tokens:,} of the answer; "
        f"{counted(test.seeds, 'seed')} from {run.seed}; temperature {run.temperature:g}"
    )


def _length(reading: FactReading) -> str:
    fact, unrelated = reading.arm(Arm.FACT).inserted_tokens, reading.arm(Arm.UNRELATED).inserted_tokens
    difference = unrelated - fact
    words = "as long as" if not difference else f"{abs(difference)} {'longer' if difference > 0 else 'shorter'} than"
    return f"The unrelated fact is {unrelated:,} tokens, {words} the corrected one ({fact:,})."


def texts_value(snapshot: FactTestSnapshot, number: int) -> dict[str, Any] | None:
    """What the arms wrote with the seed of this number, from 0; None if there is none."""
    test = snapshot.test
    if not 0 <= number < test.seeds:
        return None
    arms = tuple(Arm(arm) for arm in test.insertions)
    return {
        "number": number,
        "arms": [
            {
                "letter": each.arm.value,
                "thinking": each.thinking[:_MOST_TEXT],
                "answer": shown_answer(each.answer)[:_MOST_TEXT],
                "is_cut_off": max(len(each.thinking), len(each.answer)) > _MOST_TEXT,
            }
            for each in texts_of(snapshot.run, arms, number)
        ],
    }


def waiting_value(waiting: Sequence[WaitingFact]) -> dict[str, Any]:
    """The corrected facts that wait for a test, or nothing if none do."""
    if not waiting:
        return {}
    is_cut = len(waiting) == MOST_FACTS
    count = f"{'The first ' if is_cut else ''}{counted(len(waiting), 'corrected fact')}"
    verb = "has" if len(waiting) == 1 else "have"
    return {
        "said": f"{count} of wrong answers {verb} not been tested.",
        "seeds": [LEAST_SEEDS, MOST_SEEDS],
        "count": len(waiting),
    }


def tests_value(tests: Sequence[FactTestSummary]) -> list[dict[str, Any]]:
    """The list of tests."""
    return [
        {
            "id": each.run_id,
            "begun": each.created_at.isoformat(),
            "stem": each.stem,
            "fact": each.fact[:200],
            "model": each.model,
            "seeds": each.seeds,
            "verdict": VERDICTS.get(str(each.verdict.get("kind")), state_label(each.state)),
            "names_target": bool(each.names_target),
            "is_of_study": bool(each.study_id),
        }
        for each in tests
    ]
