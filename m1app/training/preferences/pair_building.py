"""Collects the preference pairs of a plan from the database, and curates them."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

from m1app.training.curation import Curated, CurationPlan
from m1app.training.data_card import DataSource
from m1app.training.errors import InvalidTrainingData
from m1app.training.preferences.from_database import FoundPairs, read_pairs
from m1app.training.preferences.pair_curation import PAIRS_PER_QUESTION, curate_pairs
from m1app.training.preferences.pairs import PairSource, PreferencePair
from m1app.training.sample_files import too_much_text
from m1app.training.sources import MAX_DATA_SET_CHARACTERS, sample_length
from storage.database import Database

_NAMES = {
    PairSource.CORRECTIONS: "corrections, before and after",
    PairSource.DISPUTES: "decided disputes over corrections",
    PairSource.PASSES: "right and wrong passes of one question",
}


def read_all_pairs(database: Database, plan: CurationPlan) -> tuple[list[PreferencePair], tuple[DataSource, ...]]:
    """Return the pairs of all the plan's sources, corrections before passes, and what they were.

    Raises:
        InvalidTrainingData: there is none, or they have too much text together.
    """
    pairs: list[PreferencePair] = []
    sources = []
    room = MAX_DATA_SET_CHARACTERS
    for source in (each for each in PairSource if each in plan.pairs):
        with database.session(is_read_only=True) as session:
            found = read_pairs(session, source, plan.pairs_per_question or PAIRS_PER_QUESTION)
        room -= sum(sample_length(each.chosen_sample) + sample_length(each.rejected_sample) for each in found.pairs)
        if room < 0:
            raise too_much_text()
        pairs += found.pairs
        sources.append(_source(source, found))
    if not pairs:
        raise InvalidTrainingData(_nothing(sources))
    return pairs, tuple(sources)


def curated_pairs(
    pairs: Sequence[PreferencePair],
    plan: CurationPlan,
    evaluation: Mapping[str, Sequence[str]],
    counts: Mapping[str, int] | None,
) -> Curated:
    """Curate; `counts` has the tokens of long responses by `sample_text`. Raises TooLittleData."""
    count: Callable[[str], int] | None = counts.__getitem__ if counts is not None else None
    return curate_pairs(pairs, plan, evaluation=evaluation, count_tokens=count)


def _source(source: PairSource, found: FoundPairs) -> DataSource:
    digest = hashlib.sha256()
    for pair in found.pairs:
        digest.update(json.dumps(pair.as_row()).encode("ascii") + b"\n")
    return DataSource(_NAMES[source], digest.hexdigest(), len(found.pairs), left_out=found.left_out_words())


def _nothing(sources: Sequence[DataSource]) -> str:
    why = "; ".join(f"{each.name}: {each.left_out}" for each in sources if each.left_out)
    return (
        "There are no preference pairs yet. They are made from questions with a target that a model answered both "
        "right and wrong, from corrections on /annotate/, and from disputes over them that a reviewer has decided."
        + (f" Found instead: {why}." if why else "")
    )
