"""A judge's verdict on an answer to an open question, by a reference answer.

Written as a strategy, so that its request goes through a driver with a budget and a ledger. The verdict's `answer` is
one of "right", "wrong" and "undecided"; `why` holds the judge's reason, or what went wrong where `answer` is empty.
"""

from m1app.strategies.methods.verifying.verification import Judge, State, Verification, Verifications, bounded
from m1app.strategies.prompts import fill, prompts
from m1app.strategies.protocol import Strategy, Verdict

prompts("open_verdict")  # At import, so that no event loop reads the file.
DECIDED_FROM = 2 / 3
"""P(yes) from which an answer is right; it is wrong up to one minus this."""
_MOST_CHARACTERS_OF_A_REASON = 1_000
_SILENT = "The judge said neither Yes nor No."


def judge_open_answer(question: str, reference: str, answer: str, judge: Judge, seed: int = 0) -> Strategy:
    """Have a judge say whether an answer says what the reference answer says.

    Args:
        question: the stem.
        reference: what a right answer says; the judge sees it, the model that answered did not.
        answer: without its thinking; its end is kept if it is very long.
        judge: who is asked, and how much it may think; at least one token, for the reason.
        seed: of the judge's thinking.
    """
    asked = fill(
        "open_verdict",
        "answer",
        question=bounded(question),
        reference=bounded(reference),
        answer=bounded(answer) or "(empty)",
    )
    verification = Verification(0, 0, asked, fill("open_verdict", "verdict"))
    verifications = Verifications(judge, seed)
    actions = verifications.begin([verification])
    while verifications.are_running:
        event = yield actions
        actions = verifications.take(event)
    if verification.state is State.NEITHER:
        return Verdict(None, "undecided", _SILENT)
    if verification.state is not State.READ or verification.score is None:
        return Verdict(None, "", verification.error or "The budget did not cover the judge.")
    return Verdict(None, _judgement(verification.score), _reason(verification.thinking))


def _judgement(score: float) -> str:
    if score >= DECIDED_FROM:
        return "right"
    return "wrong" if score <= 1 - DECIDED_FROM else "undecided"


def _reason(thinking: str) -> str:
    text = thinking.strip()
    return text if len(text) <= _MOST_CHARACTERS_OF_A_REASON else "... " + text[-_MOST_CHARACTERS_OF_A_REASON:]
