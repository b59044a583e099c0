"""What the Annotate page shows of cases, marks, queue, summary and agreement."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from m1app.annotation.agreement import AgreementReport, Estimate
from m1app.annotation.cases import CaseView
from m1app.annotation.form_values import content_from_form
from m1app.annotation.labels import shipped_taxonomy
from m1app.annotation.selectors import select
from m1app.annotation.suggestions import Suggestion
from m1app.question.sentences import sentences
from m1app.ui.annotate.case_view import (
    case_value,
    content_value,
    evaluated_words,
    mark_value,
    revision_value,
    taxonomy_value,
    text_hash,
    work_value,
)
from m1app.ui.annotate.numbers_view import agreement_value, summary_value
from m1app.ui.annotate.queue_view import case_filter, cases_value, queue_value
from storage.annotations.records import (
    Annotation,
    AnnotationAction,
    AnnotationContent,
    AnnotationRevision,
    AnnotationState,
    Assessment,
    Case,
    CaseFilter,
    CaseGroup,
    CasePage,
    CaseSummary,
    Confidence,
    ErrorCount,
    Evidence,
    EvidenceKind,
    MarkCount,
    Origin,
    Part,
)
from tests.m1app.runs.trace_samples import HOSTILE, QUESTION

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
THINKING = "He \U0001fac0 bleeds.\r\nWait, Cafe\u0301 \u05e9\u05dc\u05d5\u05dd."
CASE = Case(
    id="c" * 32,
    trace_id="t" * 32,
    checkpoint_id=None,
    sweep_id=None,
    question=QUESTION,
    model="m1-7b",
    thinking_budget_tokens=1024,
    force_rounds=1,
    thinking_text=THINKING,
    waits=((14, 18),),
    answer_text=" B",
    letter="B",
    is_correct=False,
    created_at=NOW,
)
TAXONOMY = shipped_taxonomy()


def a_mark(**changes: Any) -> Annotation:
    mark = Annotation(
        id="a" * 32,
        case_id=CASE.id,
        trace_id=CASE.trace_id,
        checkpoint_id=None,
        annotator="Dr A",
        state=AnnotationState.DRAFT,
        is_upheld=None,
        agreed_by=(),
        origin=Origin.PERSON,
        taxonomy_version=1,
        revision=3,
        created_at=NOW,
        updated_at=NOW,
        part=Part.THINKING,
        selector=select(THINKING, 3, 11),
        labels=("incorrect_fact", "bias"),
        severity="severe",
        comment=HOSTILE,
        corrected_fact="right",
        evidence=(Evidence(EvidenceKind.PMID, "29166193"),),
        confidence=Confidence.HIGH,
        is_omission=True,
        changed_answer=False,
    )
    return replace(mark, **changes)


def a_view(**changes: Any) -> CaseView:
    view = CaseView(
        case=CASE, annotator="Dr A", assessment=None, own=(a_mark(),), others=(), reviewers=(), hidden=2, suggestions=()
    )
    return replace(view, **changes)


def test_texts_go_to_the_page_as_they_are_with_their_hash_and_waits_in_code_points() -> None:
    value = case_value(CASE)
    thinking = value["texts"]["thinking"]
    assert thinking.pop("sentences") == sentences(THINKING)
    assert thinking == {"text": THINKING, "waits": [[14, 18]], "edits": [], "sha256": text_hash(THINKING)}
    assert THINKING[14:18] == "Wait"
    assert text_hash(THINKING) == hashlib.sha256(THINKING.encode()).hexdigest()
    assert select(THINKING, 0, 2).text_sha256 == text_hash(THINKING)
    assert value["options"] == [
        {"letter": "A", "text": "Adrenal", "tags": "target"},
        {"letter": "B", "text": "Thyroid", "tags": "chosen"},
    ]
    assert (value["verdict"], value["verdict_label"]) == ("wrong", "✗ Wrong: B, target A")
    assert value["facts"] == "m1-7b, budget 1,024 tokens, 1 force round"
    imported = replace(CASE, thinking_budget_tokens=0, force_rounds=0)
    assert case_value(imported)["facts"] == "m1-7b, imported"
    assert value["source"] == f"/?trace={CASE.trace_id}"


@pytest.mark.parametrize(
    ("changes", "verdict", "label"),
    [
        ({"letter": "A", "is_correct": True}, "right", "✓ Right: A"),
        ({"letter": None, "is_correct": False}, "unanswered", "✗ No option chosen, target A"),
        ({"letter": None, "is_correct": None}, "unanswered", "No option chosen"),
        ({"letter": "B", "is_correct": None}, "unscored", "Chosen option: B"),
    ],
)
def test_verdict_says_how_the_answer_stands(changes: dict[str, Any], verdict: str, label: str) -> None:
    value = case_value(replace(CASE, **changes))
    assert (value["verdict"], value["verdict_label"]) == (verdict, label)


def test_case_of_a_sweep_leads_to_its_sweep() -> None:
    assert case_value(replace(CASE, sweep_id="s" * 32))["source"] == f"/compare/?sweep={'s' * 32}"


def test_mark_has_the_fields_of_the_form_so_that_editing_changes_only_what_is_typed() -> None:
    mark = a_mark()
    value = mark_value(mark)
    kept = content_from_form(CASE, value)
    fields = AnnotationContent.__dataclass_fields__
    expected = replace(mark, comment=HOSTILE.strip())
    assert {name: getattr(kept, name) for name in fields} == {name: getattr(expected, name) for name in fields}
    assert value["exact"] == THINKING[3:11]
    assert (value["id"], value["revision"], value["annotator"]) == ("a" * 32, 3, "Dr A")


def test_note_on_the_whole_case_has_no_span() -> None:
    value = content_value(AnnotationContent(part=Part.WHOLE, labels=("bias",), severity="none"))
    assert (value["part"], value["start"], value["end"], value["exact"]) == ("whole", None, None, "")
    assert content_from_form(CASE, value).selector is None


@pytest.mark.parametrize(
    ("state", "is_upheld", "key", "label"),
    [
        (AnnotationState.DRAFT, None, "draft", "Draft"),
        (AnnotationState.SUBMITTED, None, "submitted", "Submitted"),
        (AnnotationState.DISPUTED, None, "disputed", "Disputed"),
        (AnnotationState.ADJUDICATED, True, "upheld", "Adjudicated: upheld"),
        (AnnotationState.ADJUDICATED, False, "rejected", "Adjudicated: rejected"),
        (AnnotationState.ADJUDICATED, None, "adjudicated", "Adjudicated"),
        (AnnotationState.WITHDRAWN, None, "withdrawn", "Withdrawn"),
    ],
)
def test_every_state_has_a_word(state: AnnotationState, is_upheld: bool | None, key: str, label: str) -> None:
    value = mark_value(a_mark(state=state, is_upheld=is_upheld))
    assert (value["state_key"], value["state_label"]) == (key, label)


def test_work_tells_stale_marks_drafts_and_hidden_annotators() -> None:
    stale = a_mark(id="b" * 32, selector=replace(select(THINKING, 3, 8), text_sha256="0" * 64))
    whole = a_mark(id="d" * 32, part=Part.WHOLE, selector=None)
    assessment = Assessment(
        case_id=CASE.id,
        trace_id=CASE.trace_id,
        checkpoint_id=None,
        annotator="Dr A",
        is_submitted=False,
        has_seen_others=False,
        draft={"part": "answer", "comment": HOSTILE},
        rejected=(),
        seconds_spent=1.5,
        created_at=NOW,
        updated_at=NOW,
    )
    value = work_value(a_view(own=(a_mark(), stale, whole), assessment=assessment))
    assert [mark["is_stale"] for mark in value["own"]] == [False, True, False]
    assert value["draft"] == {"part": "answer", "comment": HOSTILE}
    assert (value["is_submitted"], value["hidden"], value["others"]) == (False, 2, [])
    assert work_value(a_view())["draft"] == {}
    assert work_value(a_view(assessment=replace(assessment, is_submitted=True)))["is_submitted"] is True


def test_suggestion_leaves_its_severity_to_a_person() -> None:
    content = AnnotationContent(
        part=Part.THINKING, selector=select(THINKING, 0, 2), labels=("overthinking_flip",), severity="none"
    )
    suggestion = Suggestion("overthinking_flip:8", "overthinking_flip", "It was right before.", content)
    (shown,) = work_value(a_view(suggestions=(suggestion,)))["suggestions"]
    assert (shown["key"], shown["label"], shown["reason"]) == (
        "overthinking_flip:8",
        "overthinking_flip",
        "It was right before.",
    )
    assert (shown["mark"]["severity"], shown["mark"]["start"], shown["mark"]["end"]) == ("", 0, 2)


def test_revision_says_what_it_made() -> None:
    revision = AnnotationRevision(
        annotation_id="a" * 32,
        revision=2,
        made_at=NOW,
        made_by="Dr B",
        action=AnnotationAction.DISPUTED,
        reason="no",
        document={"state": "disputed", "labels": ["bias", "flawed_item"], "severity": "mild", "comment": ""},
    )
    value = revision_value(revision)
    assert value["says"] == ["disputed", "labels bias, flawed_item", "severity mild"]
    assert (value["action"], value["made_by"], value["reason"]) == ("disputed", "Dr B", "no")
    assert value["made_at"] == "2026-03-01T09:30:00+00:00"


def test_retired_labels_are_known_to_the_page_but_marked() -> None:
    first, *rest = TAXONOMY.labels
    value = taxonomy_value(replace(TAXONOMY, labels=(replace(first, retired=True), *rest)))
    assert [label["retired"] for label in value["labels"]] == [True] + [False] * len(rest)
    assert [each["id"] for each in value["severities"]] == ["none", "mild", "moderate", "severe", "critical"]
    assert all(label["definition"] and label["example"] and label["source"] for label in value["labels"])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, CaseFilter()),
        ({"verdict": "wrong"}, CaseFilter(is_correct=False)),
        ({"verdict": "right"}, CaseFilter(is_correct=True)),
        ({"verdict": "unscored"}, CaseFilter(is_unscored=True)),
        ({"verdict": "<b>"}, CaseFilter()),
        ({"todo": "1"}, CaseFilter(not_assessed_by="Dr A")),
        (
            {"flipped": "1", "disputed": "1", "model": " m ", "run": "s", "label": "bias", "severity": "mild"},
            CaseFilter(is_flipped=True, is_disputed=True, model="m", sweep_id="s", label="bias", severity="mild"),
        ),
        ({"by": "Dr B", "words": "aorta"}, CaseFilter(annotator="Dr B", text="aorta")),
        ({"budget": "64", "rounds": "0"}, CaseFilter(thinking_budget_tokens=64, force_rounds=0)),
        ({"budget": "-1", "rounds": "9" * 40}, CaseFilter()),
        ({"budget": "\u0663", "words": None, "model": 5}, CaseFilter(model="5")),
    ],
)
def test_filter_is_read_from_what_the_page_says(values: dict[str, Any], expected: CaseFilter) -> None:
    assert case_filter(values, "Dr A") == expected


def a_summary(**changes: Any) -> CaseSummary:
    made = CaseSummary(
        id=CASE.id,
        trace_id=CASE.trace_id,
        checkpoint_id=None,
        sweep_id="s" * 32,
        created_at=NOW,
        stem=HOSTILE,
        target="A",
        model="m1-7b",
        pass_number=1,
        seed=43,
        thinking_budget_tokens=1024,
        force_rounds=1,
        letter="B",
        is_correct=False,
        is_flip=True,
        is_submitted=True,
        strategy="",
        assessed_by=2,
    )
    return replace(made, **changes)


def a_group(**changes: Any) -> CaseGroup:
    made = CaseGroup(
        key="s" + "5" * 32,
        created_at=NOW,
        stem=HOSTILE,
        target="A",
        models=1,
        model="m1-7b",
        passes=3,
        cases=42,
        wrong=20,
        flips=1,
        submitted=4,
        only=None,
    )
    return replace(made, **changes)


def test_queue_shows_groups_progress_and_why_it_is_empty() -> None:
    alone = a_group(cases=1, only=a_summary())
    page = CasePage(groups=(a_group(), a_group(models=2), alone), total=340, submitted=12, next_cursor="x")
    value = queue_value(page, is_filtered=False)
    first, second, third = value["groups"]
    assert first == {
        "key": "s" + "5" * 32,
        "stem": HOSTILE,
        "model": "m1-7b",
        "says": "42 answers, 3 passes, 20 wrong, 1 flip",
        "done": "4 of 42",
        "only": None,
    }
    assert second["model"] == "2 models"
    assert third["only"] == cases_value([a_summary()])[0]
    assert (value["submitted"], value["total"], value["next_cursor"], value["empty"]) == (12, 340, "x", "")
    nothing = CasePage(groups=(), total=0, submitted=0, next_cursor=None)
    assert queue_value(nothing, is_filtered=True)["empty"] == "No case matches. Clear the filters."
    assert queue_value(nothing, is_filtered=False)["empty"] == "No cases yet."


def test_rows_of_a_group_say_their_pass_seed_budget_and_rounds() -> None:
    answer, probe = cases_value([a_summary(), a_summary(sweep_id=None, seed=None, pass_number=0, is_flip=False)])
    assert answer == {
        "id": CASE.id,
        "stem": HOSTILE,
        "model": "m1-7b",
        "run": "2",
        "seed": "43",
        "budget": 1024,
        "rounds": 1,
        "verdict": "wrong",
        "verdict_label": "✗ Wrong: B, target A",
        "is_flip": True,
        "mine": "✓ Done",
        "assessed_by": 2,
        "strategy": "",
    }
    assert (probe["run"], probe["seed"], probe["is_flip"]) == ("", "", False)
    asked, unknown = cases_value([a_summary(sweep_id=None, strategy=each) for each in ("vote:k=4", "gone:k=4")])
    assert (asked["strategy"], unknown["strategy"]) == ("Vote (passes 4)", "gone:k=4")


def a_count(label: str, annotations: int, is_correct: bool | None = False, **changes: Any) -> ErrorCount:
    count = ErrorCount(label, "mild", "m1-7b", 1024, 1, is_correct, annotations)
    return replace(count, **changes)


COUNTS = (
    a_count("bias", 2),
    a_count("bias", 2, is_correct=True, severity="critical", thinking_budget_tokens=64),
    a_count("own_label", 5, is_correct=None, model="other", force_rounds=0),
    a_count("incorrect_fact", 3, severity="severe", thinking_budget_tokens=512),
)


MARKS = (
    MarkCount("mild", "m1-7b", 1024, 1, False, 2),
    MarkCount("critical", "m1-7b", 64, 1, True, 2),
    MarkCount("mild", "other", 1024, 0, None, 5),
    MarkCount("severe", "m1-7b", 512, 1, False, 2),
)
"""The marks of COUNTS: one of the severe ones has both labels."""


def _bars(title: str) -> list[tuple[str, str, dict[str, str]]]:
    charts = {chart["title"]: chart for chart in summary_value(COUNTS, MARKS, TAXONOMY)["charts"]}
    return [(bar["name"], bar["value"], bar["filter"]) for bar in charts[title]["bars"]]


def test_summary_counts_by_everything_and_each_bar_knows_its_cases() -> None:
    assert _bars("By label") == [
        ("own_label", "5", {"label": "own_label"}),
        ("Bias", "4", {"label": "bias"}),
        ("Incorrect fact", "3", {"label": "incorrect_fact"}),
    ]
    assert [(name, value) for name, value, _ in _bars("By severity")] == [
        ("mild", "7"),
        ("severe", "2"),
        ("critical", "2"),
    ]
    assert [each["budget"] for *_, each in _bars("By thinking budget")] == ["64", "512", "1024"]
    assert [each["rounds"] for *_, each in _bars("By force rounds")] == ["0", "1"]
    assert [name for name, *_ in _bars("By model")] == ["m1-7b", "other"]


def test_labels_before_a_wrong_answer_leave_out_cases_without_a_score() -> None:
    assert _bars("Labels before a wrong answer") == [
        ("Incorrect fact", "~100% of 3", {"label": "incorrect_fact", "verdict": "wrong"}),
        ("Bias", "~50% of 4", {"label": "bias", "verdict": "wrong"}),
    ]


def test_summary_says_how_many_marks_there_are_and_that_they_are_few() -> None:
    few = summary_value(COUNTS, MARKS, TAXONOMY)
    assert few["head"].startswith("11 submitted marks, each counted once")
    assert "Fewer than 20 marks" in few["head"]
    assert "several labels" in few["charts"][0]["note"]
    many = summary_value(COUNTS, [replace(each, marks=10 * each.marks) for each in MARKS], TAXONOMY)
    assert "Fewer than" not in many["head"]


def test_empty_summary_says_what_is_missing() -> None:
    value = summary_value((), (), TAXONOMY)
    assert value["charts"] == []
    assert "Nothing has been submitted yet" in value["head"]


def test_agreement_is_told_with_its_interval_or_as_too_few_to_say() -> None:
    said = Estimate(0.8123, 0.5, 1.0, 12)
    unsaid = Estimate(None, None, None, 3, "too few cases: 3, at least 10 needed")
    report = AgreementReport(
        annotators=("Dr A", "Dr B"),
        cases=12,
        method="Cohen's kappa",
        by_label={"bias": unsaid, "knowledge_gap": said},
        any_error=said,
        severity=unsaid,
        span_f1=Estimate(0.5, None, None, 12),
    )
    value = agreement_value(report, TAXONOMY)
    rows = {row.pop("name"): row for row in value["rows"]}
    assert rows["Any error in the case"] == {
        "value": "0.81",
        "interval": "0.50 to 1.00",
        "items": "12",
        "note": "few cases: fewer than 30; read the interval, not the value",
    }
    assert Estimate(0.8, 0.7, 0.9, 30).caution == ""
    assert rows["Bias"] == {
        "value": "–",
        "interval": "–",
        "items": "3",
        "note": "too few cases: 3, at least 10 needed",
    }
    assert rows["Marked words (F1 of characters)"]["interval"] == "–"
    assert list(rows)[3:] == ["Knowledge gap", "Bias"]
    assert value["head"].startswith("12 cases submitted by at least two of Dr A, Dr B. Cohen's kappa")
    assert "No case" in agreement_value(replace(report, cases=0), TAXONOMY)["head"]


def test_each_of_several_options_is_tagged() -> None:
    question = replace(QUESTION, options={"A": "x", "B": "y", "C": "z"}, target="A, C")
    value = case_value(replace(CASE, question=question, letter="A, B", is_correct=False))
    assert [each["tags"] for each in value["options"]] == ["chosen, target", "chosen", "target"]
    assert value["verdict_label"].endswith("Hamming score 0.33")


def test_a_question_that_is_evaluated_is_said_with_what_can_be_learned() -> None:
    assert evaluated_words(()) == ""
    said = evaluated_words(("MedQA",))
    assert "in the evaluation set MedQA." in said
    assert "Corrected facts alone" in said and "questions split" in said
    assert "sets A, B, C and 2 more" in evaluated_words(("A", "B", "C", "D", "E"))
