"""Whether what a study names is there."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from m1app.studies.checking import resolve
from m1app.studies.file_reading import parse_study
from storage.question_sets.records import QuestionSet
from tests.m1app.studies.study_cases import SMALL, study
from tests.m1app.studies.test_study_file import preset

FIVE = QuestionSet(
    id="a" * 32,
    name="five",
    source="five.json",
    layout="m1",
    sha256="",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    question_count=5,
)


def problems(**changes: object) -> str:
    given = {"study": study(), "kept": [FIVE], "served": ["m1-7b"], "sets": {}, "models": {}} | changes
    return "\n".join(each.text_with_command for each in resolve(**given).problems)  # type: ignore[arg-type]


def test_sets_and_a_single_model_are_found_by_themselves() -> None:
    found = resolve(study(), [FIVE], ["m1-7b"], {}, {})
    assert (found.sets, found.models, found.problems, found.other_sizes) == ({"five": "five"}, {"one": "m1-7b"}, (), ())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kept": []}, "The question set 'five' is not here. Import it on the Admin page"),
        ({"sets": {"five": "six"}}, "Question set 'six' not found. Available: five."),
        ({"sets": {"six": "five"}}, "The study has no set 'six'; its sets are five."),
        ({"served": ["a", "b"]}, "No model plays the role 'one'. Choose one. Served: a, b."),
        ({"models": {"one": "m1-70b"}}, "The model 'm1-70b' for the role 'one' is not served. Served: m1-7b."),
        ({"models": {"two": "m1-7b"}}, "The study has no role 'two'; its roles are one."),
        ({"served": []}, "Served: none."),
    ],
)
def test_what_is_missing_is_named_with_what_is_there(changes: dict[str, object], said: str) -> None:
    assert said in problems(**changes)


def test_a_set_of_another_size_is_a_sentence_and_not_a_problem() -> None:
    found = resolve(study(), [replace(FIVE, question_count=1273)], ["m1-7b"], {}, {})
    assert (found.problems, found.other_sizes) == ((), ("five has 1,273 questions; officially it has 5.",))


def test_the_papers_sets_are_found_by_their_beginnings_and_sizes() -> None:
    main = preset("m1-main")
    sizes = {each.name: each.size or 0 for each in main.question_sets}
    kept = [replace(FIVE, name=f"{name}_test", question_count=size) for name, size in sizes.items()]
    small = replace(FIVE, name="MedQA_dev", question_count=20)
    found = resolve(main, [small, *kept], None, {}, {})
    assert found.sets["MedQA"] == "MedQA_test"
    assert len(found.sets) == 10
    twice = resolve(main, [small, replace(small, name="MedQA_half"), *kept[2:]], None, {}, {})
    said = "\n".join(each.text_with_command for each in twice.problems)
    assert "Several sets could be 'MedQA': MedQA_dev, MedQA_half" in said
    assert "questions import --hub UCSC-VLAA/m1_eval_data" in said


def test_models_named_as_on_the_hub_play_their_roles() -> None:
    found = resolve(preset("m1-main"), [], ["m1-7b-1k", "UCSC-VLAA/m1-7B-23K", "other"], {}, {})
    assert found.models == {"7b-1k": "m1-7b-1k", "7b-23k": "UCSC-VLAA/m1-7B-23K"}
    assert all("role" not in each.text for each in found.problems)


def test_a_model_is_not_compared_with_itself() -> None:
    two = parse_study(SMALL.replace('role = "one"', 'role = "one"\n[[model]]\nrole = "two"'), "two.toml")
    assert "m1-7b plays several roles (one, two)" in problems(study=two, models={"one": "m1-7b", "two": "m1-7b"})


def test_an_optional_role_may_be_left_out() -> None:
    found = resolve(preset("m1-smoke"), [], ["demo-model", "tuned-model"], {}, {"demo": "demo-model", "tuned": ""})
    assert found.models == {"demo": "demo-model"}
