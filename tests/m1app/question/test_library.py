import re
from collections import Counter
from itertools import combinations
from string import ascii_uppercase

import pytest

from m1app.question.library import LibraryError, LibraryQuestion, load_library, parse_library
from m1app.question.question_text import validate_question

LIBRARY = load_library()
CLOSED = [question for question in LIBRARY if not question.is_open]
OPEN = [question for question in LIBRARY if question.is_open]

ABSENT_IMAGE = re.compile(
    r"\b(figures?|photos?|photographs?|pictures?|pictured|images?|exhibit|video)\b"
    r"|\bshown (here|below|above|opposite)\b|\b(following|attached|accompanying) (ecg|film|scan|slide|tracing|graph)\b",
    re.IGNORECASE,
)

ENTRY = """
[[question]]
id = "one"
specialty = "cardiology"
title = "One"
difficulty = "recall"
tags = ["heart"]
question = "Which?"
target = "B"
explanation = "Because."
reference = "A guideline, 2020"
[question.options]
A = "This"
B = "That"
"""
OPEN_ENTRY = ENTRY.split("[question.options]")[0].replace('target = "B"', 'expected = "That"')


def content_words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z]+", text.lower()) if len(word) > 3}


def overlap(one: str, other: str) -> float:
    a, b = content_words(one), content_words(other)
    return len(a & b) / min(len(a), len(b))


def by_id(question_id: str) -> LibraryQuestion:
    return next(question for question in LIBRARY if question.id == question_id)


def test_library_has_at_least_forty_questions_with_ids_of_their_own():
    assert len(LIBRARY) >= 40
    assert len({question.id for question in LIBRARY}) == len(LIBRARY)


def test_titles_differ_and_fit_a_picker():
    assert len({question.title for question in LIBRARY}) == len(LIBRARY)
    assert max(len(question.title) for question in LIBRARY) <= 70


def test_at_least_six_questions_are_open_and_say_what_is_expected():
    assert len(OPEN) >= 6
    assert all(question.expected and question.target is None for question in OPEN)


def test_at_least_fourteen_specialties_and_every_difficulty_are_covered():
    assert len({question.specialty for question in LIBRARY}) >= 14
    assert {question.difficulty for question in LIBRARY} == {"recall", "application", "judgement"}


def test_question_sizes_from_three_to_ten_options_are_covered():
    assert {3, 4, 5, 10} <= {len(question.options) for question in CLOSED}


@pytest.mark.parametrize("question", CLOSED, ids=lambda question: question.id)
def test_letters_run_from_a_and_the_target_is_one_of_them(question: LibraryQuestion):
    assert "".join(question.options) == ascii_uppercase[: len(question.options)]
    assert question.target in question.options
    assert question.expected is None


@pytest.mark.parametrize("question", LIBRARY, ids=lambda question: question.id)
def test_every_question_passes_the_check_of_a_typed_one_without_a_warning(question: LibraryQuestion):
    assert validate_question(question.question, question.options, question.target) == ()


def test_no_target_letter_is_much_more_common_than_the_others():
    counts = Counter(question.target for question in CLOSED)
    assert max(counts.values()) / len(CLOSED) <= 0.25
    assert min(counts[letter] for letter in "ABCDE") / len(CLOSED) >= 0.15


def test_picking_the_longest_option_is_no_better_than_chance():
    longest = [max(question.options, key=lambda letter, q=question: len(q.options[letter])) for question in CLOSED]
    hits = sum(letter == question.target for letter, question in zip(longest, CLOSED, strict=True))
    chance = sum(1 / len(question.options) for question in CLOSED)
    assert hits <= chance * 1.3


def test_no_two_stems_share_most_of_their_words():
    similar = [
        (one.id, other.id) for one, other in combinations(LIBRARY, 2) if overlap(one.question, other.question) > 0.5
    ]
    assert similar == []


def test_overlap_tells_a_reworded_stem_from_another_question():
    stem = LIBRARY[0].question
    assert overlap(stem, " ".join(reversed(stem.split()))) == 1
    assert overlap(stem, LIBRARY[1].question) < 0.5


@pytest.mark.parametrize("question", LIBRARY, ids=lambda question: question.id)
def test_no_question_asks_about_an_image_that_is_not_there(question: LibraryQuestion):
    assert ABSENT_IMAGE.search(question.question) is None


@pytest.mark.parametrize("stem", ["The ECG shown below", "See the photograph.", "In the following ECG", "in Figure 2"])
def test_a_stem_that_needs_an_image_would_be_noticed(stem: str):
    assert ABSENT_IMAGE.search(stem)


@pytest.mark.parametrize("question", LIBRARY, ids=lambda question: question.id)
def test_explanation_has_two_to_four_sentences_and_reference_a_year_or_the_formulary(question: LibraryQuestion):
    sentences = re.findall(r"[.!?](?=\s|$)", question.explanation)
    assert 2 <= len(sentences) <= 4
    assert re.search(r"\b(19|20)\d\d\b", question.reference) or question.reference.startswith("BNF")


@pytest.mark.parametrize(
    ("question_id", "value", "answer"),
    [
        ("endocrinology-adjusted-calcium", f"{2.08 + 0.02 * (40 - 24):.2f}", "2.40 mmol/L"),
        ("paediatrics-dehydration-fluid-rate", round((14_000 * 0.08 - 140 + 10 * 100 + 4 * 50) / 24), "91 mL/h"),
        ("obstetrics-anti-d-vials", round(0.014 * 5000 / 30) + 1, "3"),
        ("surgery-burn-fluid-rate", round((4 * 70 * 27 / 2 - 600) / 6), "530 mL/h"),
        ("emergency-lorazepam-volume", 0.1 * 18 / 4, "0.45 mL"),
        ("pharmacology-phenytoin-low-albumin", round(8 / (0.2 * 2.0 + 0.1)), "16 mg/L"),
        ("statistics-positive-predictive-value", round(100 * 0.0095 / (0.0095 + 0.99 * 0.06)), "14%"),
        ("statistics-number-needed-to-treat", int(1 / (0.08 - 0.064)) + 1, "63"),
        ("statistics-post-test-probability", round(100 * (x := 0.25 * 6) / (1 + x)), "60%"),
        ("respiratory-alveolar-arterial-gradient", round(150 - 28 / 0.8 - 68), "47 mmHg"),
        ("genetics-cystic-fibrosis-risk", round(1 / (2 / 3 / 25 / 4)), "1 in 150"),
        ("nephrology-free-water-deficit", f"{0.45 * 60 * (161 / 140 - 1):.2f}", "4.05 L"),
        ("toxicology-osmolar-gap", 338 - (2 * 138 + 6 + 6), "= 50 mOsm/kg"),
        ("toxicology-osmolar-gap", 138 - 101 - 7, "gap 30 mmol/L"),
    ],
)
def test_calculated_answers_agree_with_the_numbers_of_the_stem(question_id: str, value: float | str, answer: str):
    question = by_id(question_id)
    assert str(value) in answer
    assert answer in (question.expected or question.options[question.target or ""])


def test_library_is_read_once():
    assert load_library() is load_library()


def test_lines_joined_in_the_file_are_one_line_and_tables_keep_theirs():
    prose, table = by_id("cardiology-preexcited-af"), by_id("nephrology-mixed-acid-base")
    assert "\n" not in prose.question and "  " not in prose.question
    assert "\nPaCO2: 38 mmHg\n" in table.question


def test_entry_is_read_field_by_field():
    closed, answered = parse_library(ENTRY + OPEN_ENTRY.replace('"one"', '"two"'))
    assert (closed.id, closed.options, closed.target, closed.tags) == (
        "one",
        {"A": "This", "B": "That"},
        "B",
        ("heart",),
    )
    assert (answered.options, answered.target, answered.expected, answered.is_open) == ({}, None, "That", True)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (ENTRY.replace('target = "B"', 'target = "C"'), ["entry 'one'", "field target", "found 'C'", "(A, B)"]),
        (ENTRY.replace('target = "B"\n', ""), ["entry 'one'", "field target", "found nothing", "(A, B)"]),
        (ENTRY.replace('B = "That"', 'C = "That"'), ["field options", "without a gap, not A, C"]),
        (ENTRY.replace('B = "That"\n', ""), ["field options", "two or more options"]),
        (ENTRY.replace('B = "That"', 'B = " "'), ["field options.B", "found ' '", "expected text"]),
        (ENTRY.replace('"That"', "2"), ["field options.B", "found 2", "string"]),
        (ENTRY.replace('"recall"', '"easy"'), ["field difficulty", "found 'easy'", "'recall'"]),
        (ENTRY.replace("reference", "refrence"), ["field refrence", "unknown field"]),
        (ENTRY.replace('reference = "A guideline, 2020"', ""), ["field reference", "missing"]),
        (ENTRY.replace('["heart"]', "[]"), ["field tags", "at least 1 item"]),
        (ENTRY.replace('["heart"]', '["The Heart"]'), ["field tags.0", "found 'The Heart'", "lower-case words"]),
        (ENTRY.replace('"Which?"', '"Which? "'), ["field question", "without spaces"]),
        (ENTRY.replace('"one"', '"One!"'), ["entry 'One!'", "field id", "joined by hyphens"]),
        (ENTRY.replace('id = "one"\n', ""), ["entry number 1", "field id", "missing"]),
        (
            ENTRY.replace('target = "B"', 'target = "B"\nexpected = "That"'),
            ["field expected", "its answer is `target`"],
        ),
        (OPEN_ENTRY.replace('expected = "That"\n', ""), ["field expected", "found nothing", "answer in words"]),
        (OPEN_ENTRY.replace("expected =", "target ="), ["field target", "expected no target"]),
        (ENTRY + ENTRY, ["entry 'one'", "field id", "entries 1 and 2"]),
        ("", ["field question", "missing", "[[question]]"]),
        ("question = []", ["field question", "at least 1 item", "[[question]]"]),
        ("question = [3]", ["entry number 1", "found 3", "expected a table"]),
        ("version = 2\n" + ENTRY, ["field version", "unknown field"]),
        ("[[question]\n", ["not valid TOML", "line 1"]),
    ],
)
def test_mistake_is_named_with_file_entry_and_field(text: str, parts: list[str]):
    with pytest.raises(LibraryError) as raised:
        parse_library(text, "mine.toml")
    assert str(raised.value).startswith("mine.toml")
    assert [part for part in parts if part not in str(raised.value)] == []


def test_every_mistake_of_a_file_is_told_at_once():
    broken = ENTRY.replace('"recall"', '"easy"') + OPEN_ENTRY.replace('"one"', '"two"').replace('"One"', '""')
    with pytest.raises(LibraryError) as raised:
        parse_library(broken)
    assert [line.split(":")[0] for line in str(raised.value).split("\n")] == [
        "library.toml, entry 'one', field difficulty",
        "library.toml, entry 'two', field title",
    ]
