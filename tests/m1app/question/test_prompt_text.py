import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.question.errors import InvalidPromptTemplate
from m1app.question.prompt_text import OptionLayout, narrow, render_prompt

WITH_OPTIONS = "Answer within \\boxed{}. {question}\n{options}"
OPEN = "Think first. {question}"
OPTIONS = {"A": "Aspirin", "B": "Rest"}


def test_question_and_options_are_filled_in_and_other_braces_stay():
    assert (
        render_prompt(WITH_OPTIONS, OPEN, "What helps?", OPTIONS)
        == "Answer within \\boxed{}. What helps?\nA. Aspirin\nB. Rest"
    )


def test_open_question_takes_the_open_template():
    assert render_prompt(WITH_OPTIONS, OPEN, "What helps?", {}) == "Think first. What helps?"


def test_placeholders_in_what_a_person_wrote_are_not_filled_in():
    prompt = render_prompt("{question}|{options}", OPEN, "{options} {question} {0} {", {"A": "{question}", "B": "}"})
    assert prompt == "{options} {question} {0} {|A. {question}\nB. }"


def test_each_placeholder_may_come_twice():
    assert render_prompt("{question} {question} {options}", OPEN, "q", {"A": "x"}) == "q q A. x"


@given(st.text(), st.text(), st.text())
def test_stem_arrives_unchanged_between_the_parts_of_any_template(before, stem, after):
    template = f"{before.replace('{', '')}{{question}}{after.replace('{', '')}"
    rendered = render_prompt(WITH_OPTIONS, template, stem, {})
    assert rendered == before.replace("{", "") + stem + after.replace("{", "")


@pytest.mark.parametrize(
    ("with_options", "open_template", "options", "missing"),
    [
        ("{question}", OPEN, OPTIONS, r"no \{options\}"),
        ("{options}", OPEN, OPTIONS, r"no \{question\}"),
        ("", OPEN, OPTIONS, r"no \{question\} and no \{options\}"),
        (WITH_OPTIONS, "Question: {Question}", {}, r"no \{question\}"),
    ],
)
def test_template_that_drops_a_part_is_refused(with_options, open_template, options, missing):
    with pytest.raises(InvalidPromptTemplate, match=missing):
        render_prompt(with_options, open_template, "q", options)


@given(st.text())
def test_narrowing_keeps_every_position(text):
    narrowed = narrow(text)
    assert len(narrowed) == len(text)
    assert all(new == old for new, old in zip(narrowed, text, strict=True) if old.isascii())


def test_options_are_laid_out_as_a_family_writes_them() -> None:
    options = {"A": " one\n two ", "B": "three"}
    assert OptionLayout().write(options) == "A. one two\nB. three"
    assert OptionLayout("({letter}) {text}", " ").write(options) == "(A) one two (B) three"
    assert OptionLayout(keeps_text=True).write(options) == "A.  one\n two \nB. three"
    assert OptionLayout("{letter}) {text}").write({"A": "{letter} {text}"}) == "A) {letter} {text}"


@pytest.mark.parametrize(
    ("letters", "listed"),
    [("A", "'A'"), ("AB", "'A' or 'B'"), ("ABC", "'A', 'B', or 'C'"), ("ABCD", "'A', 'B', 'C', or 'D'")],
)
def test_letters_are_listed(letters: str, listed: str) -> None:
    options = dict.fromkeys(letters, "x")
    assert render_prompt("{question} {options} {letters}", OPEN, "q", options).endswith(f" {listed}")
