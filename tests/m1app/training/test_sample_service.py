"""Samples of stored versions: listed, and changed as a new version with the reason."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from m1app.training.curation import CurationPlan, curate
from m1app.training.data_card import DataSource, card_markdown
from m1app.training.data_sets import DataSets
from m1app.training.errors import ChangeRefused, DataSetNotFound, DataSetRefused
from m1app.training.pruning.pruner import Pruned
from m1app.training.pruning.records import Outcome, ProbeCosts, SamplePruning, summarise_pruning
from m1app.training.sample_index import SampleQuery
from m1app.training.sample_service import SampleService
from m1app.training.samples import TrainingSample, sample_key
from storage.database import Database
from storage.people.audit import AuditRepository
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from tests.m1app.training.training_cases import a_sample, some_samples

WRONG = a_sample(question="Which gland is under the sternum in a child?", answer="The answer is B. Thyroid gland.")
EVALUATED = "A man of sixty has chest pain that spreads to his left arm and he sweats what is done next"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/m1.db")
    database.migrate()
    yield database
    database.dispose()


@pytest.fixture
def data_sets(tmp_path: Path) -> DataSets:
    return DataSets(tmp_path / "training-data")


@pytest.fixture
def service(database: Database, data_sets: DataSets) -> SampleService:
    samples = [*some_samples(9), a_sample(domain="Surgery"), a_sample(source="again"), WRONG]
    plan = CurationPlan()
    curated = curate(samples, plan, evaluation={})
    data_sets.add("exam", curated, plan, (DataSource("traces.json", "a" * 64, 12),))
    return SampleService(database, data_sets)


def change(kind: str, sample: TrainingSample, reason: str = "it is outdated", **values: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"kind": kind, "key": sample_key(sample), "reason": reason}
    if kind == "edit":
        row = sample.as_row() | values.pop("to")
        made["sample"] = {name: value for name, value in row.items() if name != "source"}
    return made | values


async def test_a_page_shows_what_is_kept_and_what_was_left_out(service: SampleService) -> None:
    page = await service.page("exam", SampleQuery())
    assert (page.version.id, page.total, len(page.rows), page.facets.dropped) == ("exam:v1", 10, 10, 2)
    left_out = await service.page("exam:v1", SampleQuery(state="dropped"))
    assert [(each.step, each.why.partition(" of ")[0]) for each in left_out.rows] == [
        ("verify", "its answer names another option"),
        ("deduplicate", "repeats the question"),
    ]
    assert (await service.page("exam", SampleQuery(offset=8))).rows == page.rows[8:]
    with pytest.raises(DataSetNotFound):
        await service.page("nothing", SampleQuery())


async def test_a_sample_is_shown_with_what_speaks_against_it(service: SampleService) -> None:
    shown = await service.sample("exam", sample_key(WRONG))
    assert (shown.sample, shown.entry.is_kept) == (WRONG, False)
    assert shown.doubt == "its answer names another option than the target"
    assert (await service.sample("exam", sample_key(a_sample(domain="Surgery")))).doubt == ""
    with pytest.raises(ChangeRefused, match="has no sample"):
        await service.sample("exam", "0" * 12)


async def test_an_excluded_sample_makes_a_new_version_with_the_reason(
    service: SampleService, data_sets: DataSets, database: Database
) -> None:
    first = some_samples(1)[0]
    made = await service.change("exam:v1", [change("exclude", first, "the guideline\nchanged")])
    assert (made.id, made.samples, data_sets.get("exam", 1).samples) == ("exam:v2", 9, 10)
    assert first not in data_sets.samples(made)
    (by_hand,) = (each for each in data_sets.dropped(made) if each.step == "by hand")
    assert (by_hand.sample, by_hand.why) == (first, "the guideline changed")
    card = data_sets.card(made)
    assert (card.history.parent, card.history.changes[0].version, card.reports[-1].step) == ("exam:v1", 2, "changes")
    text = card_markdown(card, data_sets.samples(made))
    assert "## Changes by hand" in text
    assert "the guideline changed" in text
    with database.session() as session:
        (entry,) = AuditRepository(session).after(0, 10)
    assert (entry.action, entry.subject, entry.details) == (
        "training_data.change",
        made.sha256,
        {"version": 2, "samples": 9, "exclude": 1},
    )


async def test_changes_of_earlier_versions_stay_on_the_card(service: SampleService, data_sets: DataSets) -> None:
    one, two = some_samples(2)
    await service.change("exam", [change("exclude", one)])
    await service.change("exam", [change("restore", one, "it was right after all")])
    data_sets.delete("exam", 1)
    made = data_sets.get("exam")
    assert [(each.version, each.kind) for each in data_sets.card(made).history.changes] == [
        (2, "exclude"),
        (3, "restore"),
    ]
    assert data_sets.samples(made)[-1] == one
    assert two in data_sets.samples(made)


async def test_an_edited_sample_takes_the_place_of_the_old_one(service: SampleService, data_sets: DataSets) -> None:
    old = some_samples(3)[2]
    made = await service.change(
        "exam", [change("edit", old, to={"reasoning": "It is the adrenal cortex.", "domain": " A  b "})]
    )
    new = data_sets.samples(made)[2]
    assert (new.reasoning, new.domain, new.source, new.question) == (
        "It is the adrenal cortex.",
        "A b",
        old.source,
        old.question,
    )
    (record,) = data_sets.card(made).history.changes
    assert (record.key, record.new_key, record.doubt) == (sample_key(old), sample_key(new), "")


async def test_an_edit_that_no_longer_agrees_with_its_target_is_kept_only_deliberately(
    service: SampleService, data_sets: DataSets
) -> None:
    old = some_samples(1)[0]
    against = change("edit", old, to={"target": "C"})
    with pytest.raises(ChangeRefused, match="its answer names another option than the target") as refused:
        await service.change("exam", [against])
    assert (refused.value.may_keep, refused.value.field) == (True, "answer")
    assert data_sets.get("exam").version == 1
    made = await service.change("exam", [against | {"is_deliberate": True}])
    card = data_sets.card(made)
    assert card.history.changes[0].doubt == "its answer names another option than the target"
    assert card.warnings[1].startswith("Kept by hand, 1 sample: its answer names another option")


async def test_what_would_leak_into_an_evaluation_is_kept_only_deliberately(
    service: SampleService, database: Database
) -> None:
    with database.session() as session:
        question = NewQuestion(stem=EVALUATED, options={"A": "Aspirin", "B": "Rest"}, target="A")
        QuestionSetRepository(session).add("MedQA", "medqa.json", "exam", "0" * 64, [question])
    leak = change("edit", some_samples(1)[0], to={"question": EVALUATED})
    with pytest.raises(ChangeRefused, match="shares 100% of its runs of 8 words with MedQA"):
        await service.change("exam", [leak])


async def test_domains_that_a_person_has_read_are_accepted_or_changed(
    service: SampleService, data_sets: DataSets
) -> None:
    first, second = some_samples(2)
    reviewed = [
        {"kind": "domain", "key": sample_key(first), "reason": "", "domain": "Endocrinology"},
        {"kind": "domain", "key": sample_key(second), "reason": "a thyroid", "domain": " drug  therapy"},
    ]
    made = await service.change("exam", reviewed)
    assert [each.domain for each in data_sets.samples(made)[:2]] == ["Endocrinology", "drug therapy"]
    assert made.reports[-1].title == "by hand: the domains of 2 samples read, 1 of them right"
    card = data_sets.card(made)
    assert [each.reason for each in card.history.changes] == [
        "accepted",
        "changed from Endocrinology to drug therapy (a thyroid)",
    ]
    assert "Of 2 domains that people have read, 1 were right as they were (50%)." in card_markdown(
        card, data_sets.samples(made)
    )
    with pytest.raises(ChangeRefused, match="domain must be plain text") as refused:
        await service.change("exam", [reviewed[0] | {"domain": " "}])
    assert refused.value.field == "domain"


@pytest.mark.parametrize(
    ("to", "message", "field"),
    [
        ({"question": "  "}, "The question is empty", "question"),
        ({"answer": ""}, "The answer is empty", "answer"),
        ({"target": "F"}, "The target is 'F', expected one of A, B, C", "target"),
        ({"options": {"A": "x", "C": "y"}}, "expected B instead of C", "options"),
        ({"options": {"A": "x"}}, "at least two", "options"),
        ({"options": {"A": "x", "B": " "}, "target": "A"}, "at least two options, each with a text", "options"),
        ({"reasoning": "a\x00b"}, "U\\+0000", "reasoning"),
        ({"reasoning": "a" * 1_000_001}, "expected at most 1,000,000", ""),
        ({}, "Nothing was changed", ""),
    ],
)
async def test_an_invalid_edit_names_its_box(service: SampleService, to: dict, message: str, field: str) -> None:
    with pytest.raises(ChangeRefused, match=message) as refused:
        await service.change("exam", [change("edit", some_samples(1)[0], to=to)])
    assert (refused.value.field, refused.value.may_keep) == (field, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([], "Nothing to change"),
        ("text", "Nothing to change"),
        ([{"kind": "exclude"}], "cannot be read: key"),
        ([change("exclude", WRONG)], "is in this version"),
        ([change("restore", some_samples(1)[0])], "is left out of this version"),
        ([change("exclude", some_samples(1)[0], " ")], "enter a short reason"),
        ([change("exclude", some_samples(1)[0], "x" * 501)], "at most 500"),
        ([change("exclude", some_samples(1)[0])] * 2, "changed twice"),
        ([{"kind": "edit", "key": sample_key(some_samples(1)[0]), "reason": "x"}], "contains no sample"),
        ([change("exclude", each) for each in some_samples(9)], "at least 8"),
        ([change("restore", WRONG)], "names another option"),
    ],
)
async def test_changes_that_cannot_be_made_store_nothing(
    service: SampleService, data_sets: DataSets, changes: Any, message: str
) -> None:
    with pytest.raises(ChangeRefused, match=message):
        await service.change("exam", changes)
    assert data_sets.get("exam").version == 1


async def test_what_was_pruned_is_known_of_the_samples_that_are_left(database: Database, data_sets: DataSets) -> None:
    samples, plan = some_samples(10), CurationPlan()
    records = tuple(SamplePruning(Outcome.PRUNED, each.question) for each in samples)
    pruned = Pruned(tuple(samples), records, summarise_pruning(records, "m", "p", 0.5, ProbeCosts()))
    data_sets.add("short", curate(samples, plan, evaluation={}), plan, (), pruned)
    edited = change("edit", samples[1], to={"reasoning": "Shorter."})
    made = await SampleService(database, data_sets).change("short", [change("exclude", samples[0]), edited])
    left = data_sets.prunings(made)
    assert [each.outcome for each in left[:2]] == [Outcome.BY_HAND, Outcome.PRUNED]
    assert [each.question for each in left] == [each.question for each in samples[1:]]
    assert data_sets.card(made).pruning is not None


async def test_pairs_are_shown_with_their_differences(service: SampleService) -> None:
    pairs, total = await service.pairs("exam", 0, 10)
    assert (total, len(pairs), pairs[0].pair.is_same) == (1, 1, True)
    assert all(piece.is_shared for piece in pairs[0].questions[0])
    assert (await service.pairs("exam", 1, 10))[0] == ()


async def test_damaged_left_out_samples_are_named(service: SampleService, data_sets: DataSets) -> None:
    (data_sets.get("exam").path / "dropped.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(DataSetRefused, match=r"dropped\.jsonl is damaged"):
        await service.page("exam", SampleQuery())


async def test_versions_from_before_show_their_samples_alone(service: SampleService, data_sets: DataSets) -> None:
    (data_sets.get("exam").path / "dropped.jsonl").unlink()
    page = await service.page("exam", SampleQuery(state=""))
    assert (page.total, page.facets.dropped) == (10, 0)
