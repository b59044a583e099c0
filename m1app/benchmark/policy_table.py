"""Policies and searches in words and as tables, the same on the page and on the command line."""

from collections.abc import Iterator

from m1app.benchmark.descriptions import caution
from m1app.benchmark.policy_making import MadePolicy
from m1app.benchmark.setting_search import SearchOutcome
from m1app.benchmark.tables import Table, TableCell, TableRow
from m1app.strategies.catalogue import parse
from m1app.strategies.choosing.compute_optimal import Estimate
from m1app.strategies.choosing.policy import Policy
from m1app.strategies.choosing.search import Archive, Trial
from m1app.wording import counted, percent, percent_with_interval, points


def comparison_table(made: MadePolicy) -> Table:
    """The policy beside the best single strategy, and the oracle; each was not chosen on what it is evaluated on."""
    found = made.comparison
    rows = (
        ("By entropy of the pilot", found.by_entropy, "The policy; its pilot's tokens are counted."),
        ("Best single strategy", found.single, "One strategy for all questions, chosen on the same halves."),
        (
            "Oracle: by the right answers",
            found.oracle,
            "Bins by how often a pass is right. This is not known for a new question, so it is a ceiling.",
        ),
    )
    return Table(
        ("Way to choose", "Accuracy (95% interval)", "Tokens per question"),
        1,
        tuple(
            TableRow((TableCell(name, note), TableCell(_accuracy(each)), TableCell(f"{each.tokens:,.0f}")))
            for name, each, note in rows
        ),
    )


def _accuracy(each: Estimate) -> str:
    return percent_with_interval(each.mean, each.interval.low, each.interval.high)


def bins_table(policy: Policy) -> Table:
    """What the policy does with each bin."""
    heads = ("Pilot entropy, bits", "Strategy", "Thinking tokens a pass", "Tokens per question")
    return Table((*heads, "Expected accuracy (95% interval)", "Questions"), 2, tuple(_bin_rows(policy)))


def _bin_rows(policy: Policy) -> Iterator[TableRow]:
    low: float | None = None
    for each in policy.bins:
        expected = each.expected
        cells = (
            _range(low, each.below_bits),
            parse(each.choice)[0].title,
            f"{each.thinking_tokens:,}",
            f"{each.mean_tokens:,.0f}",
            percent_with_interval(expected.accuracy, expected.low, expected.high),
            f"{each.questions:,}",
        )
        yield TableRow(tuple(map(TableCell, cells)))
        low = each.below_bits


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return "any" if high is None else f"below {high:.2f}"
    return f"{low:.2f} or more" if high is None else f"{low:.2f} to {high:.2f}"


def gain_sentence(made: MadePolicy) -> str:
    """Whether the policy is worth it, honestly."""
    gain = made.comparison.gain
    low, high = gain.interval.low, gain.interval.high
    by = f"{points(gain.mean)} points (95% interval {points(low)} to {points(high)})"
    (single,) = parse(made.single.choice)
    instead = f"{single.title} with {made.single.thinking_tokens:,} thinking tokens a pass"
    if low > 0:
        return f"Choosing by the pilot's entropy gains {by} over the best single strategy."
    if high < 0:
        return f"Choosing by the pilot's entropy is worse than the best single strategy: {by}. Use {instead}."
    return (
        f"Choosing by the pilot's entropy gains nothing that this run can show: {by}. Use {instead} for all questions."
    )


def policy_notes(made: MadePolicy) -> Iterator[str]:
    """What a reader must know of these numbers, in sentences."""
    policy = made.policy
    yield (
        f"{counted(policy.questions, 'question')}, {counted(made.candidates, 'setting')} to choose from, at most "
        f"{policy.budget_tokens:,} tokens for the mean question. Everything was chosen on one half of the questions "
        "and evaluated on the other, 100 times."
    )
    if few := caution(policy.questions):
        yield few
    if len(policy.bins) == 1:
        yield "There is only one bin, because all pilots have the same entropy."
    yield f"The policy holds for {policy.model or 'this model'} and for questions like these."


def search_table(outcome: SearchOutcome) -> Table:
    """Every trial of every search, in order."""
    heads = ("Search", "Trial", "Proposed by", "Model", "Thinking tokens", "Strategy")
    rows = [row for name, archive in outcome.archives.items() for row in _trial_rows(name, archive)]
    return Table((*heads, "Accuracy", "Tokens per question", "Best so far"), 6, tuple(rows))


def _trial_rows(name: str, archive: Archive) -> Iterator[TableRow]:
    for place, trial in enumerate(archive.trials, start=1):
        is_over = trial.scored.tokens > archive.budget_tokens
        best = archive.best_after(place)
        cells = (
            name,
            str(place),
            trial.by.value,
            trial.setting.model,
            f"{trial.setting.thinking_tokens:,}",
            trial.setting.choice,
            percent(trial.scored.accuracy),
            f"{trial.scored.tokens:,.0f}{' (too expensive)' if is_over else ''}",
            percent(best.scored.accuracy) if best else "–",
        )
        yield TableRow(tuple(map(TableCell, cells)))


def search_sentences(outcome: SearchOutcome) -> Iterator[str]:
    """What each search found, and what the agent cost."""
    for name, archive in outcome.archives.items():
        best = archive.best_after()
        found = _best_words(best) if best else f"nothing within {outcome.budget_tokens:,} tokens"
        yield f"{name.capitalize()}, {counted(len(archive.trials), 'trial')}: {found}."
        if archive.agent_calls:
            yield (
                f"The agent {outcome.agent} was asked {counted(archive.agent_calls, 'time')} and generated "
                f"{archive.agent_tokens:,} tokens. Replies that could not be used: {len(archive.faults):,}."
            )
    if outcome.agent_error:
        yield f"The agent failed, and what was left was drawn at random: {outcome.agent_error}"
    yield (
        f"Of {counted(outcome.settings, 'setting')}, the best is {_best_words(outcome.best)}."
        if outcome.best
        else (f"None of {counted(outcome.settings, 'setting')} costs at most {outcome.budget_tokens:,} tokens.")
    )
    yield (
        f"At most {outcome.budget_tokens:,} tokens for the mean question. The settings were evaluated on the same "
        "questions that they were searched on, which is optimistic; check the result on other questions."
    )


def _best_words(trial: Trial) -> str:
    setting, scored = trial.setting, trial.scored
    return (
        f"{setting.choice} with {setting.thinking_tokens:,} thinking tokens of {setting.model}, "
        f"{percent(scored.accuracy)} at {scored.tokens:,.0f} tokens"
    )
