"""Samples of stored data sets: listed, read, compared, and changed by making a new version."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.training.changes import ChangeKind, History
from m1app.training.curation import Curated
from m1app.training.curation_steps import StepReport, drop_overlap
from m1app.training.data_card import DataCard
from m1app.training.data_sets import DataSets, DataSetVersion, parse_reference
from m1app.training.errors import ChangeRefused
from m1app.training.from_database import compared_questions
from m1app.training.pruning.pruner import Pruned
from m1app.training.pruning.records import Outcome, SamplePruning
from m1app.training.sample_charts import domain_chart, length_chart
from m1app.training.sample_editing import Changed, apply_changes, counts_of, doubt_about, parse_changes
from m1app.training.sample_index import PAGE, Facets, IndexedSample, SampleIndex, SampleQuery
from m1app.training.sample_pairs import Piece, SamplePair, differences, find_pairs
from m1app.training.samples import TrainingSample
from m1app.wording import counted
from storage.database import Database

_KEPT_INDEXES = 2
_DONE = {ChangeKind.EXCLUDE: "left out", ChangeKind.RESTORE: "taken back", ChangeKind.EDIT: "edited"}


@dataclass(frozen=True, slots=True)
class SamplesPage:
    """Some of the samples that a query finds."""

    version: DataSetVersion
    facets: Facets
    rows: tuple[IndexedSample, ...]
    total: int
    lengths: Mapping[str, Any]
    """Plotly figure of all that were found, with `said`, the same in words."""
    domains: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShownSample:
    """One sample with all its text."""

    entry: IndexedSample
    sample: TrainingSample
    doubt: str
    """What speaks against its answer; empty if nothing does."""


@dataclass(frozen=True, slots=True)
class ShownPair:
    """Two samples side by side."""

    pair: SamplePair
    first: TrainingSample
    second: TrainingSample
    questions: tuple[Sequence[Piece], Sequence[Piece]]


class SampleService:
    """Reads and changes the samples of stored versions. Methods that read the database may raise StorageError."""

    def __init__(self, database: Database, data_sets: DataSets) -> None:
        """Args:
        database: with the evaluation sets, and the audit log.
        data_sets: where versions are stored.
        """
        self._database = database
        self._data_sets = data_sets
        self._indexes: OrderedDict[tuple[str, str], SampleIndex] = OrderedDict()
        self._pairs: dict[tuple[str, str], tuple[SamplePair, ...]] = {}
        self._lock = threading.Lock()

    @needs(Permission.MANAGE)
    async def page(self, reference: str, query: SampleQuery) -> SamplesPage:
        """Return a page of what a query finds; raises DataSetNotFound, DataSetRefused."""
        return await asyncio.to_thread(self._page, reference, query)

    @needs(Permission.MANAGE)
    async def sample(self, reference: str, key: str) -> ShownSample:
        """Return a sample; raises ChangeRefused if there is none of this key, DataSetNotFound, DataSetRefused."""
        return await asyncio.to_thread(self._sample, reference, key)

    @needs(Permission.MANAGE)
    async def pairs(self, reference: str, offset: int, limit: int) -> tuple[tuple[ShownPair, ...], int]:
        """Return some pairs of samples with the same question or nearly, and how many there are.

        Raises:
            DataSetNotFound, DataSetRefused: as `page`.
        """
        return await asyncio.to_thread(self._shown_pairs, reference, offset, limit)

    @needs(Permission.MANAGE)
    async def check(self, reference: str, changes: Any) -> None:
        """Say whether `change` would make these changes, by raising what it would raise. Nothing is stored."""
        await asyncio.to_thread(lambda: self._changed(self._data_sets.get(*parse_reference(reference)), changes))

    @needs(Permission.MANAGE)
    async def change(self, reference: str, changes: Any) -> DataSetVersion:
        """Make the next version of a data set with some samples left out, taken back or edited.

        Args:
            reference: "NAME" or "NAME:vN".
            changes: a list of `Change`, as objects or JSON-compatible dicts.

        Raises:
            ChangeRefused: a change cannot be made; nothing is stored.
            DataSetNotFound, DataSetRefused: as `page`.
        """
        made, kinds = await asyncio.to_thread(self._change, reference, changes)
        details: dict[str, str | int | bool] = {kind.value: count for kind, count in kinds.items() if count}
        await self._database.write(
            lambda s: record(
                s, "training_data.change", made.sha256, version=made.version, samples=made.samples, **details
            )
        )
        return made

    def _page(self, reference: str, query: SampleQuery) -> SamplesPage:
        version, index = self._index(reference)
        found = index.find(query)
        rows = tuple(found[query.offset : query.offset + PAGE])
        return SamplesPage(version, index.facets, rows, len(found), length_chart(found), domain_chart(found))

    def _sample(self, reference: str, key: str) -> ShownSample:
        version, index = self._index(reference)
        entries = index.get(key)
        if not entries:
            raise ChangeRefused(f"{version.id} has no sample {key[:20]!r}. Look up the key again.")
        sample = index.sample(entries[0])
        return ShownSample(entries[0], sample, doubt_about(sample))

    def _shown_pairs(self, reference: str, offset: int, limit: int) -> tuple[tuple[ShownPair, ...], int]:
        version, index = self._index(reference)
        place = (version.id, version.sha256)
        pairs = self._pairs.get(place)
        if pairs is None:
            pairs = find_pairs(index)
            with self._lock:
                self._pairs = {key: found for key, found in self._pairs.items() if key in self._indexes} | {
                    place: pairs
                }
        shown = []
        for pair in pairs[offset : offset + limit]:
            first, second = index.sample(pair.first), index.sample(pair.second)
            shown.append(ShownPair(pair, first, second, differences(_asked(first), _asked(second))))
        return tuple(shown), len(pairs)

    def _index(self, reference: str) -> tuple[DataSetVersion, SampleIndex]:
        """The index of a version, made at its first use."""
        version = self._data_sets.get(*parse_reference(reference))
        place = (version.id, version.sha256)
        with self._lock:
            if place not in self._indexes:
                while len(self._indexes) >= _KEPT_INDEXES:
                    self._indexes.popitem(last=False)
                self._indexes[place] = SampleIndex(self._data_sets.samples(version), self._data_sets.dropped(version))
            self._indexes.move_to_end(place)
            return version, self._indexes[place]

    def _change(self, reference: str, changes: Any) -> tuple[DataSetVersion, Mapping[ChangeKind, int]]:
        base = self._data_sets.get(*parse_reference(reference))
        changed, samples, card = self._changed(base, changes)

        def made_from(version: int) -> History:
            records = tuple(replace(each, version=version) for each in changed.records)
            return History(base.id, (*card.history.changes, *records))

        kinds = counts_of(changed.records)
        curated = Curated(changed.samples, (*card.reports, _report(kinds, len(samples), changed)), changed.dropped)
        pruned = self._pruned(base, card, changed, samples)
        made = self._data_sets.add(base.name, curated, card.plan, card.sources, pruned, made_from)
        return made, kinds

    def _changed(self, base: DataSetVersion, changes: Any) -> tuple[Changed, Sequence[TrainingSample], DataCard]:
        """What changes would make of a version, its samples as they are, and its card."""
        wanted = parse_changes(changes)
        card, samples, dropped = (
            self._data_sets.card(base),
            self._data_sets.samples(base),
            self._data_sets.dropped(base),
        )
        evaluation = self._compared(card) if any(each.kind is not ChangeKind.EXCLUDE for each in wanted) else {}

        def overlap_of(sample: TrainingSample) -> str:
            return "; ".join(each.why for each in drop_overlap([sample], evaluation).dropped) if evaluation else ""

        return apply_changes(samples, dropped, wanted, base.version, overlap_of), samples, card

    def _compared(self, card: DataCard) -> Mapping[str, Sequence[str]]:
        """The questions that the version's plan keeps apart; none if it compares with none."""
        if not card.plan.overlap_ngram:
            return {}
        with self._database.session(is_read_only=True) as session:
            return compared_questions(session, card.plan.learn_from)

    def _pruned(
        self, base: DataSetVersion, card: DataCard, changed: Changed, samples: Sequence[TrainingSample]
    ) -> Pruned | None:
        """What was pruned, of the samples that are left; an edited reasoning is no longer what was pruned."""
        records = self._data_sets.prunings(base)
        if card.pruning is None or len(records) != len(samples):
            return None
        left = []
        for sample, origin in zip(changed.samples, changed.origins, strict=True):
            is_same = origin is not None and samples[origin].reasoning == sample.reasoning
            kept = (
                records[origin] if origin is not None and is_same else SamplePruning(Outcome.BY_HAND, sample.question)
            )
            left.append(kept)
        return Pruned(changed.samples, tuple(left), card.pruning)


def _report(kinds: Mapping[ChangeKind, int], before: int, changed: Changed) -> StepReport:
    done = [f"{counted(kinds[kind], 'sample')} {words}" for kind, words in _DONE.items() if kinds[kind]]
    if read := kinds[ChangeKind.DOMAIN]:
        accepted = sum(each.is_accepted for each in changed.records)
        done.append(f"the domains of {counted(read, 'sample')} read, {accepted:,} of them right")
    reasons = tuple(f"{each.kind.value}: {each.question} ({each.reason})" for each in changed.records[:10])
    return StepReport("changes", f"by hand: {', '.join(done)}", before, len(changed.samples), reasons)


def _asked(sample: TrainingSample) -> str:
    return "\n".join((sample.question, *(f"{letter}. {text}" for letter, text in sample.options.items())))
