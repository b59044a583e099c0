"""Votes at several temperatures (arXiv 2510.02611), which end when all temperatures agree.

Each round asks one pass at each temperature; at 0, where every pass is the same, only the first round does. After a
round the vote ends if one answer has most of the passes at every temperature, and the same one everywhere. Otherwise it
ends after the last round, and all passes vote together.

Picture "heat": {"temperatures": [0.0, 0.2, ...], "answers": ["A", "B"], "counts": [[passes by answer], ...] a row for
each temperature, "share": 0.8, "done": passes answered, "passes": passes begun}.
"""

from collections.abc import Sequence

from m1app.strategies.methods.passes import Pass, Passes, thinking_share
from m1app.strategies.methods.voting import tally, verdict
from m1app.strategies.protocol import Action, Grew, Show, Strategy, Task, Verdict

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
_MOST_ANSWERS_SHOWN = 20
_CHARACTERS_SHOWN = 80


def temperatures(task: Task, rounds: int = 2, share: float = 0.8) -> Strategy:
    """The answer that most passes at all temperatures give.

    Args:
        task: its own temperature is not used.
        rounds: most passes at each temperature above 0.
        share: of the passes at a temperature, that its leader needs for an early end.
    """
    passes = Passes(task, thinking_share(task, passes_at_all_temperatures(rounds)), wants_probabilities=True)
    ended = ""
    for number in range(rounds):
        actions: list[Action] = [
            action for temperature in TEMPERATURES if temperature or not number for action in passes.begin(temperature)
        ]
        while passes.running:
            event = yield actions
            actions = passes.take(event)
            if not isinstance(event, Grew):
                actions.append(_heat(passes, share))
        if _all_agree(passes, share):
            ended = f" All temperatures agreed after round {number + 1:,} of {rounds:,}."
            break
    found = verdict(passes, tally(passes.answered))
    why = f"{found.why}{ended or ' The temperatures did not agree.'}"
    return Verdict(found.letter, found.answer, why, found.of, (_heat(passes, share),))


def passes_at_all_temperatures(rounds: int) -> int:
    """The most passes that so many rounds ask for."""
    return 1 + rounds * (len(TEMPERATURES) - 1)


def _at(passes: Passes, temperature: float) -> Sequence[Pass]:
    return [each for each in passes.answered if each.think.temperature == temperature]


def _all_agree(passes: Passes, share: float) -> bool:
    tallies = [tally(_at(passes, temperature)) for temperature in TEMPERATURES]
    leaders = {each.leader for each in tallies}
    return len(leaders) == 1 and None not in leaders and all(each.share >= share for each in tallies)


def _heat(passes: Passes, share: float) -> Show:
    answers = list(tally(passes.answered).votes)[:_MOST_ANSWERS_SHOWN]
    counts = []
    for temperature in TEMPERATURES:
        votes = tally(_at(passes, temperature)).votes
        counts.append([int(votes.get(each, 0)) for each in answers])
    picture = {
        "temperatures": list(TEMPERATURES),
        "answers": [each[:_CHARACTERS_SHOWN] for each in answers],
        "counts": counts,
        "share": share,
        "done": len(passes.answered),
        "passes": len(passes.all),
    }
    return Show("heat", picture)
