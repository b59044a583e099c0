"""A strategy that asks more than passes, for tests: one verification of each pass, and the most believed one wins."""

from m1app.strategies.kinds import Kind, Option
from m1app.strategies.methods.passes import Passes, thinking_share
from m1app.strategies.protocol import Chat, Failed, Grew, Look, Looked, Purpose, Start, Task, Verdict


def judged(task: Task, k: int):
    """The answer of the pass that the judge most believes, among those that were judged."""
    passes = Passes(task, thinking_share(task, k), wants_probabilities=True)
    actions = [action for _ in range(k) for action in passes.begin()]
    while passes.running:
        event = yield actions
        actions = passes.take(event)
    for each in passes.answered:
        prompt = f"Is {each.letter} of pass {each.number} right?"
        looks = Look(
            key=f"judge/{each.number}", after=Chat(prompt), choices=("Yes", "No"), lead="", purpose=Purpose.VERIFY
        )
        actions.append(Start(looks))
    scores = {}
    for _ in passes.answered:
        event = yield actions
        while isinstance(event, Grew):
            event = yield []
        actions = []
        if isinstance(event, Looked) and event.probabilities:
            scores[int(event.key.split("/")[1])] = event.probabilities["Yes"]
        else:
            assert isinstance(event, Looked | Failed)
    if not scores:
        return Verdict(None, "", "Nothing could be judged.")
    best = passes.all[max(scores, key=scores.__getitem__)]
    return Verdict(best.letter, best.answer, "The judge believes it.", best.key)


JUDGED = Kind(
    name="judged",
    title="Judged",
    summary="The pass that a judge most believes.",
    source="a test",
    make=judged,
    options=(Option("k", "Passes", "Passes.", 3, 1, 128),),
)
