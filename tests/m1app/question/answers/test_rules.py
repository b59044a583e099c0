import re
import sys
from itertools import groupby
from re import _constants as names  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]

import pytest

from m1app.question.answers import (
    claim_judgements,
    claim_leads,
    claim_places,
    claim_stances,
    claim_surroundings,
    containers,
    extraction,
    marks,
    mention_finding,
    rules,
    tokens,
)
from m1app.question.answers.extraction import extract_answer
from m1app.question.answers.rules import LANGUAGES, AnswerRulesError, Role, load_rules, parse_rules
from tests.m1app.question.answers.cases import LABS, READ, UNREAD

MODULES = (
    claim_judgements,
    claim_leads,
    claim_places,
    claim_stances,
    claim_surroundings,
    containers,
    extraction,
    marks,
    mention_finding,
    rules,
    tokens,
)
FIELDS = 'telling = ["answer"]\nneutral = ["final"]'


def kind(text):
    if "boxed" in text or "framebox" in text:
        return "box"
    if text.lstrip().startswith(("{", "[{", '"', "`")):
        return "json"
    if re.search(r"</?\w+>|\[ANSWER\]", text):
        return "tag"
    return "words in other letters" if re.search("[\u0400-\uffff]", text) else "words"


def by_kind(cases):
    ordered = sorted(cases, key=lambda case: kind(case[1]))
    return [pytest.param(list(group), id=name) for name, group in groupby(ordered, key=lambda case: kind(case[1]))]


@pytest.mark.parametrize("cases", by_kind(READ))
def test_an_answer_that_chooses_an_option_is_read(cases):
    read = {text: extract_answer(text, options) for options, text, _ in cases}
    assert {text: read[text].letter for _, text, _ in cases} == {text: letter for _, text, letter in cases}
    assert all(found.rule and found.basis for found in read.values())


@pytest.mark.parametrize("cases", by_kind(UNREAD))
def test_an_answer_that_chooses_none_for_certain_is_not_read(cases):
    read = {text: extract_answer(text, options).letter for options, text in cases}
    assert {text: letter for text, letter in read.items() if letter is not None} == {}


@pytest.mark.parametrize(
    ("text", "rule", "words"),
    [
        ("I think the answer is **C**, as the sodium is low.", "answer is (en)", "answer is **C"),
        ("La respuesta correcta es la C.", "label (es)", "respuesta correcta es la C"),
        ("Die richtige Antwort ist C.", "is right (de)", "Antwort ist C"),
        ("综上所述，答案是C。", "answer is (zh)", "答案是C"),
        ("정답은 C입니다.", "answer is (ko)", "정답은 C"),
        ("So \\boxed{C}.", "box", "\\boxed{C}"),
        ('{"answer": "C"}', "field", '"answer": "C"'),
        ("Here: <answer>C</answer>", "tag", "<answer>C</answer>"),
        ("Only C explains it.", "supports (en)", "Only C explains"),
        ("C", "whole answer", "C"),
    ],
)
def test_a_letter_comes_with_the_words_it_rests_on_and_the_rule(text, rule, words):
    found = extract_answer(text, LABS)
    assert found.letter == "C"
    assert found.rule == rule
    start, end = found.basis
    assert text[start:end].endswith(words)


def test_a_word_of_another_language_is_no_rule():
    """ "Car" is a reason in French."""
    assert extract_answer("A car accident is the cause.", LABS).letter is None
    assert extract_answer("La réponse est A car le potassium est bas.", LABS).letter == "A"


@pytest.mark.parametrize(
    ("name", "is_answer"),
    [
        ("answer", True),
        ("final_answer", True),
        ("correctOption", True),
        ("answer_idx", True),
        ("RESPUESTA", True),
        ("previous_answer", False),
        ("wrong_answer", False),
        ("answer_explanation", False),
        ("options", False),
        ("final", False),
    ],
)
def test_a_field_holds_the_answer_if_all_its_words_say_so(name, is_answer):
    assert load_rules().is_answer_field(name) is is_answer


def test_every_language_has_its_words():
    rules = load_rules()
    spoken = {code for entry in rules.entries for code in entry.languages.get(Role.NOUNS, ())}
    assert spoken == set(LANGUAGES)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('language = "x"\nnouns = ["Answer"]\n[numbers]', "lower case"),
        ('language = "x"\nnouns = [""]\n[numbers]', "lower case"),
        ('language = "x"\nsynonyms = ["answer"]\n[numbers]', "en.toml, field synonyms"),
        ('language = "x"\nnouns = ["answer"]\n[numbers]\nmany = 99', "en.toml, field numbers.many"),
        ('language = "x"\nnouns = ["a b c d e f g h i j k l m"]\n[numbers]', "at most 12 words"),
        ("language", "not valid TOML"),
    ],
)
def test_a_mistake_in_a_file_of_rules_is_named(text, mistake):
    with pytest.raises(AnswerRulesError, match=mistake):
        parse_rules({"en": text, "fields": FIELDS})


def unbounded_parts(tree, inside=False):
    """Repeats without a limit that hold more than one character's choice, or stand in another such repeat."""
    for kind_, value in tree:
        if kind_ in (names.MAX_REPEAT, names.MIN_REPEAT, names.POSSESSIVE_REPEAT):
            _, most, part = value
            is_open = most == names.MAXREPEAT
            is_simple = len(part) == 1 and part[0][0] in (names.IN, names.LITERAL, names.NOT_LITERAL, names.ANY)
            if is_open and (inside or not is_simple):
                yield value
            yield from unbounded_parts(part, inside or is_open)
        elif kind_ is names.SUBPATTERN:
            yield from unbounded_parts(value[3], inside)
        elif kind_ is names.BRANCH:
            for branch in value[1]:
                yield from unbounded_parts(branch, inside)
        elif kind_ in (names.ASSERT, names.ASSERT_NOT):
            yield from unbounded_parts(value[1], inside)


def test_no_pattern_can_backtrack_without_bounds():
    patterns = [value for module in MODULES for value in vars(module).values() if isinstance(value, re.Pattern)]
    assert len(patterns) > 10
    for pattern in patterns:
        assert list(unbounded_parts(parser.parse(pattern.pattern, pattern.flags))) == [], pattern.pattern
    assert list(unbounded_parts(parser.parse("(?:a+)+b"))) != []


def calls_of(text):
    """How many Python calls it takes to read an answer."""
    count = 0

    def counted(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(counted)
    try:
        extract_answer(text, LABS)
    finally:
        sys.setprofile(None)
    return count


HOSTILE = (
    "A, ", "A or ", "A\n", "A. ", "A)", "(", "The answer is A. ", "A is correct ", "if ", "not ", "wait ",
    "**", "** a ", "\n", "\\boxed{", "\\boxed{{}", "\\boxed{A} ", "\\text{", "{", "[", "<answer>",
    "</answer>", "<think>", '{"answer": {', '{"a": {', "'answer':'", '"answer": "', "hypokalemia ",
    "hypokalemia, ", "most likely ", "答案", "정", "; A", "1,", "_", "\\",
)  # fmt: skip


@pytest.mark.parametrize("part", HOSTILE, ids=repr)
def test_an_answer_twice_as_long_takes_about_twice_the_steps(part):
    extract_answer("A", LABS)
    once, twice = (calls_of(part * (size // len(part))) for size in (3000, 6000))
    assert twice < 2.5 * once + 1000
