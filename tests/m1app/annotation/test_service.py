"""Annotating as two people do it: drafts, double blind, review, conflicts."""

from pathlib import Path

import pytest

from m1app.access.person import Person, acting_as
from m1app.annotation.errors import AnnotationConflict, AnnotationRefused
from m1app.annotation.form_values import content_from_form
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from storage.annotations.records import Annotation, AnnotationAction, AnnotationState, CaseFilter, CaseOrder, Origin
from storage.database import Database
from storage.errors import RecordNotFound
from storage.people.records import Role
from tests.m1app.annotation.cases import ECG, note, stored_sweep, stored_trace


@pytest.fixture
def case_id(database: Database) -> str:
    return stored_trace(database)


async def mark(service: AnnotationService, case_id: str, who: str, **changes: object) -> Annotation:
    case = (await service.open(case_id, who)).case
    return await service.save(case_id, who, content_from_form(case, ECG | changes))


async def submitted(service: AnnotationService, case_id: str, who: str) -> Annotation:
    made = await mark(service, case_id, who)
    await service.submit(case_id, who)
    [kept] = [each for each in (await service.open(case_id, who)).own if each.id == made.id]
    return kept


async def test_mark_is_a_draft_until_the_case_is_submitted(service: AnnotationService, case_id: str) -> None:
    made = await mark(service, case_id, "  Ada   Lovelace ")
    assert (made.annotator, made.state, made.selector.exact) == ("Ada Lovelace", AnnotationState.DRAFT, "ECG 🫀")  # type: ignore[union-attr]
    await service.submit(case_id, "Ada Lovelace")
    view = await service.open(case_id, "Ada Lovelace")
    assert [each.state for each in view.own] == [AnnotationState.SUBMITTED]
    assert view.assessment is not None
    assert view.assessment.is_submitted
    # What is added later joins what was submitted.
    later = await mark(service, case_id, "Ada Lovelace", labels=["bias"])
    assert later.state is AnnotationState.SUBMITTED
    assert [each.action for each in await service.history(later.id, "Ada Lovelace")] == ["created", "submitted"]


async def test_nobody_sees_another_annotator_before_submitting(service: AnnotationService, case_id: str) -> None:
    first = await submitted(service, case_id, "Ada")
    await mark(service, case_id, "Zoe")  # a draft
    before = await service.open(case_id, "Eve")
    assert (before.others, before.reviewers, before.hidden) == ((), (), 1)
    assert await service.history(first.id, "Eve") == ()
    await service.submit(case_id, "Eve")
    after = await service.open(case_id, "Eve")
    assert (after.others, after.reviewers, after.hidden) == ((first,), ("Ada",), 0)
    assert (await service.open(case_id, "Ada")).reviewers == ("Eve",)
    assert (await service.open(case_id, "")).others == ()


async def test_edit_keeps_history_and_a_late_one_is_told_what_changed(service: AnnotationService, case_id: str) -> None:
    made = await mark(service, case_id, "Ada")
    case = (await service.open(case_id, "Ada")).case
    typed = content_from_form(case, ECG | {"comment": "first", "labels": ["bias"]})
    edited = await service.save(case_id, "Ada", typed, annotation_id=made.id, revision=made.revision)
    assert (edited.revision, edited.comment, edited.labels) == (2, "first", ("bias",))
    late = content_from_form(case, ECG | {"comment": "second"})
    with pytest.raises(AnnotationConflict, match="comment") as conflict:
        await service.save(case_id, "Ada", late, annotation_id=made.id, revision=made.revision)
    assert conflict.value.current == edited
    assert conflict.value.changes == ("labels", "comment")
    saved = await service.save(case_id, "Ada", late, annotation_id=made.id, revision=edited.revision)
    assert saved.comment == "second"
    assert [each.document["comment"] for each in await service.history(made.id, "Ada")] == ["", "first", "second"]


async def test_withdrawn_mark_is_gone_from_the_case_and_stays_in_the_history(
    service: AnnotationService, case_id: str
) -> None:
    made = await mark(service, case_id, "Ada")
    with pytest.raises(AnnotationRefused, match="belongs to Ada"):
        await service.withdraw(made.id, "Eve", made.revision)
    await service.withdraw(made.id, "Ada", made.revision)
    assert (await service.open(case_id, "Ada")).own == ()
    assert [each.action for each in await service.history(made.id, "Ada")][-1] is AnnotationAction.WITHDRAWN
    with pytest.raises(AnnotationRefused, match="withdrawn"):
        await service.withdraw(made.id, "Ada", 2)


async def test_review_agree_dispute_adjudicate(service: AnnotationService, case_id: str) -> None:
    first = await submitted(service, case_id, "Ada")
    with pytest.raises(AnnotationRefused, match="Submit your own"):
        await service.agree(first.id, "Eve")
    await service.submit(case_id, "Eve")
    with pytest.raises(AnnotationRefused, match="your own"):
        await service.agree(first.id, "Ada")
    assert (await service.agree(first.id, "Eve")).agreed_by == ("Eve",)
    assert (await service.agree(first.id, "Eve")).revision == first.revision + 1
    with pytest.raises(AnnotationRefused, match="reason") as refused:
        await service.dispute(first.id, "Eve", "  ")
    assert refused.value.field == "reason"
    disputed = await service.dispute(first.id, "Eve", "The ECG does come first.")
    assert (disputed.state, disputed.agreed_by) == (AnnotationState.DISPUTED, ())
    [disputed_group] = (await service.queue(CaseFilter(is_disputed=True), "Eve")).groups
    assert [each.id for each in await service.group(CaseFilter(is_disputed=True), disputed_group.key, "Eve")] == [
        case_id
    ]
    decided = await service.adjudicate(first.id, "Chair", is_upheld=False, reason="Guideline of 2023.")
    assert (decided.state, decided.is_upheld) == (AnnotationState.ADJUDICATED, False)
    assert await service.error_counts() == ()
    with pytest.raises(AnnotationRefused, match="can no longer be reviewed"):
        await service.dispute(first.id, "Eve", "Still no.")
    with pytest.raises(AnnotationRefused, match="only disputed ones"):
        await service.adjudicate(first.id, "Chair", is_upheld=True, reason="No.")
    history = await service.history(first.id, "Eve")
    assert [(each.made_by, each.action.value, each.reason) for each in history[2:]] == [
        ("Eve", "agreed", ""),
        ("Eve", "disputed", "The ECG does come first."),
        ("Chair", "adjudicated", "Guideline of 2023."),
    ]


async def test_draft_of_the_form_and_time_are_kept(service: AnnotationService, case_id: str) -> None:
    await service.save_draft(case_id, "Ada", {"comment": "half"}, 3.0)
    await service.save_draft(case_id, "Ada", {"comment": "half a"}, 2.0)
    assessment = (await service.open(case_id, "Ada")).assessment
    assert assessment is not None
    assert (assessment.draft, assessment.seconds_spent) == ({"comment": "half a"}, 5.0)
    assert (await service.open(case_id, "Eve")).assessment is None
    await service.submit(case_id, "Ada")
    assert (await service.open(case_id, "Ada")).assessment.draft == {}  # type: ignore[union-attr]


async def test_lost_answer_is_suggested_accepted_and_rejected(service: AnnotationService, database: Database) -> None:
    _, right, wrong = stored_sweep(database)
    assert (await service.open(right, "Ada")).suggestions == ()
    [flip, mismatch] = (await service.open(wrong, "Ada")).suggestions
    assert (flip.label, mismatch.label) == ("overthinking_flip", "trace_answer_mismatch")
    assert "After 5 thinking tokens the answer was B, which is right" in flip.reason
    assert mismatch.reason == "The thinking concludes B, the answer gives A."
    made = await service.save(wrong, "Ada", flip.content, suggestion_key=flip.key)
    assert made.origin is Origin.SUGGESTION
    await service.reject_suggestion(wrong, "Ada", mismatch.key)
    assert (await service.open(wrong, "Ada")).suggestions == ()
    assert len((await service.open(wrong, "Eve")).suggestions) == 2


async def test_retired_label_stays_on_marks_that_have_it(database: Database, tmp_path: Path, case_id: str) -> None:
    before = AnnotationService(database, load_taxonomy())
    made = await before.save(case_id, "Ada", note("bias"))
    extra = tmp_path / "labels.toml"
    entry = 'id = "bias"\ngroup = "g"\nname = "Bias"\ndefinition = "d"\nexample = "e"\nsource = "s"\nretired = true\n'
    extra.write_text(f"version = 2\n[[label]]\n{entry}", encoding="utf-8")
    after = AnnotationService(database, load_taxonomy(extra))
    with pytest.raises(AnnotationRefused, match="“Bias” was retired"):
        await after.save(case_id, "Ada", note("bias"))
    kept = await after.save(case_id, "Ada", note("bias", comment="still"), annotation_id=made.id, revision=1)
    assert kept.comment == "still"


async def test_case_holds_no_more_than_it_can_show(
    service: AnnotationService, case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.annotation.service.MAX_CASE_ANNOTATIONS", 2)
    await mark(service, case_id, "Ada")
    await mark(service, case_id, "Eve")
    with pytest.raises(AnnotationRefused, match="at most 2 annotations"):
        await mark(service, case_id, "Ada")


async def test_what_cannot_be_kept_is_refused(service: AnnotationService, case_id: str) -> None:
    with pytest.raises(AnnotationRefused, match="your name") as refused:
        await service.save(case_id, "  ", note())
    assert refused.value.field == "annotator"
    with pytest.raises(AnnotationRefused, match="at least one label"):
        await service.save(case_id, "Ada", note().__class__(part=note().part))
    with pytest.raises(RecordNotFound):
        await service.open("nobody", "Ada")
    with pytest.raises(RecordNotFound):
        await service.withdraw("nobody", "Ada", 1)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANNOTATOR])
@pytest.mark.parametrize(
    "asked",
    [
        {"label": "incorrect_fact"},
        {"severity": "mild"},
        {"annotator": "Ada"},
        {"annotator": "Ada", "label": "incorrect_fact", "severity": "mild"},
        {"thinking_budget_tokens": 1024},
        {"force_rounds": 1},
        {"is_disputed": True},
    ],
)
async def test_filters_and_counts_say_nothing_about_marks_on_a_case_before_it_is_submitted(
    service: AnnotationService, database: Database, role: Role, asked: dict[str, object]
) -> None:
    hidden, done, own = (stored_trace(database) for _ in range(3))
    for case_id in (hidden, done):
        made = await submitted(service, case_id, "Ada")
        await service.submit(case_id, "Chair")
        await service.dispute(made.id, "Chair", "It comes first.")
    await service.submit(done, "Eve")
    await submitted(service, own, "Eve")
    wanted = CaseFilter(**asked, order=CaseOrder.RANDOM)  # type: ignore[arg-type]
    everything = await service.queue(wanted, "Eve")
    with acting_as(Person("1", role, "Eve")):
        page = await service.queue(wanted, "Eve")
        counts = await service.error_counts()
        assert hidden not in await service.neighbours(wanted, done)
    ids, all_ids = ([each.only.id for each in found.groups if each.only] for found in (page, everything))
    assert hidden in all_ids
    assert ids == [each for each in all_ids if each != hidden]
    assert (page.total, sum(each.annotations for each in counts)) == (len(ids), 2)
    assert sum(each.annotations for each in await service.error_counts()) == 3


async def test_a_submission_is_taken_back_until_others_marks_were_seen(
    database: Database, service: AnnotationService
) -> None:
    case_id = stored_trace(database)
    mark = await service.save(case_id, "Ada", note())
    await service.submit(case_id, "Ada")
    await service.open(case_id, "Ada")
    await service.reopen(case_id, "Ada")
    view = await service.open(case_id, "Ada")
    assert not view.assessment.is_submitted
    assert [each.state for each in view.own] == [AnnotationState.DRAFT]
    history = await service.history(mark.id, "Ada")
    assert [each.action.value for each in history] == ["created", "submitted", "reopened"]
    with pytest.raises(AnnotationRefused, match="You have not submitted this case"):
        await service.reopen(case_id, "Ada")
    # Nobody else sees the marks, or counts them.
    await service.submit(case_id, "Eve")
    assert (await service.open(case_id, "Eve")).others == ()
    assert await service.error_counts() == ()
    # Once they are submitted again, Eve sees them, and can no longer change what she said without them.
    await service.submit(case_id, "Ada")
    assert len((await service.open(case_id, "Eve")).others) == 1
    with pytest.raises(AnnotationRefused, match="seen others' marks"):
        await service.reopen(case_id, "Eve")


async def test_a_submission_whose_marks_others_have_reviewed_stays(
    database: Database, service: AnnotationService
) -> None:
    case_id = stored_trace(database)
    mark = await service.save(case_id, "Ada", note())
    for who in ("Ada", "Eve"):
        await service.submit(case_id, who)
    await service.agree(mark.id, "Eve")
    with pytest.raises(AnnotationRefused, match="reviewed your marks"):
        await service.reopen(case_id, "Ada")
