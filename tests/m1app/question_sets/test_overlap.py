"""Overlap by runs of eight words, against the plain definition and on cases that a person would call one."""

import random
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.overlap import COMMON_TEXTS, Match, Text, find_overlap, read_training_texts
from tests.m1app.question_sets.question_set_samples import as_csv, as_jsonl, as_parquet

VIGNETTE = (
    "A 54-year-old carpenter has had a tremor of the right hand for two years. It is worst at rest and stops when he "
    "reaches for a tool. His wife says that he no longer swings the arm when he walks."
)
OTHER = (
    "A girl of six was stung by a bee at school and is now hoarse, flushed and dizzy. Her blood pressure is low and "
    "there is a wheeze on both sides of the chest when she breathes out."
)


def texts(*stems: str) -> list[Text]:
    return [Text(stem) for stem in stems]


def test_an_equal_text_is_found_whatever_its_case_spacing_and_signs() -> None:
    changed = VIGNETTE.upper().replace(" ", "\n", 3).replace(".", " ;")
    assert find_overlap(texts(OTHER, VIGNETTE), texts(changed)) == (Match(1, 0, 1.0),)


def test_a_question_inside_a_longer_prompt_is_found_whole() -> None:
    prompt = f"Think step by step and answer with a letter. {VIGNETTE} Which disease is it? A. Parkinson B. Tremor"
    assert find_overlap(texts(VIGNETTE), texts(OTHER, prompt)) == (Match(0, 1, 1.0),)


def test_half_a_question_is_found_with_its_share() -> None:
    half = VIGNETTE[: len(VIGNETTE) // 2] + " " + OTHER[: len(OTHER) // 2]
    (match,) = find_overlap(texts(VIGNETTE), texts(half))
    assert 0.3 < match.share < 0.6


def test_texts_that_share_one_phrase_only_do_not_overlap() -> None:
    phrase = " Which of the following is the most likely diagnosis in this patient?"
    assert find_overlap(texts(VIGNETTE + phrase), texts(OTHER + phrase)) == ()


def test_the_closest_counterpart_is_named_and_the_closest_pairs_come_first() -> None:
    near = VIGNETTE.replace("carpenter", "joiner")
    found = find_overlap(texts(near, OTHER, VIGNETTE), texts(OTHER, VIGNETTE, near + " He smokes."))
    assert [(match.first, match.second) for match in found] == [(0, 2), (1, 0), (2, 1)]
    assert [match.share for match in found] == [1.0, 1.0, 1.0]


def test_a_stock_phrase_of_many_texts_hides_no_copy() -> None:
    """Copies of one question, as traces of it in fine-tuning data, must not count as a stock phrase."""
    copies = [VIGNETTE] * (COMMON_TEXTS * 3)
    assert find_overlap(texts(VIGNETTE), texts(*copies)) == (Match(0, 0, 1.0),)
    assert len(find_overlap(texts(*copies), texts(VIGNETTE))) == len(copies)


def test_short_questions_are_told_apart_by_their_options() -> None:
    liver = Text("Which is true?", ("The liver makes bile", "The spleen makes bile"))
    heart = Text("Which is true?", ("The heart has four chambers", "The heart has two chambers"))
    turned = Text("Which is true?", ("The spleen makes bile", "The liver makes bile"))
    assert find_overlap([liver], [heart]) == ()
    assert find_overlap([liver], [heart, turned]) == (Match(0, 1, 1.0),)


def test_texts_without_a_word_overlap_with_nothing() -> None:
    assert find_overlap(texts("", "?!"), texts("", "?!", VIGNETTE)) == ()
    assert find_overlap([], texts(VIGNETTE)) == ()
    assert find_overlap(texts(VIGNETTE), []) == ()


def grams(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + 8]) for i in range(max(1, len(words) - 7))}


@given(st.integers(0, 10_000))
def test_the_best_share_is_that_of_the_plain_definition(seed: int) -> None:
    """Against every pair compared as sets; vocabulary and lengths are such that runs are shared and none is common."""
    rng = random.Random(seed)
    pieces = [" ".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=10)) for _ in range(8)]
    make = [" ".join(rng.sample(pieces, rng.randint(1, 3))) for _ in range(10)]
    ours, theirs = make[:5], make[5:]
    best = {}
    for index, one in enumerate(ours):
        shares = [len(grams(one) & grams(other)) / min(len(grams(one)), len(grams(other))) for other in theirs]
        if max(shares) >= 0.3:
            best[index] = max(shares)
    found = {match.first: match.share for match in find_overlap(texts(*ours), texts(*theirs))}
    assert found == pytest.approx(best)


def test_thousands_of_questions_with_the_same_last_sentence_are_compared() -> None:
    rng = random.Random(7)
    words = [f"word{number}" for number in range(5000)]
    last = " Which of the following is the most likely diagnosis in this patient at this time?"
    stems = [" ".join(rng.choices(words, k=60)) + last for _ in range(3000)]
    found = find_overlap(texts(*stems), texts(*stems[:1000], OTHER))
    assert [(match.first, match.second, match.share) for match in found] == [(n, n, 1.0) for n in range(1000)]


@pytest.mark.parametrize("make", [as_jsonl, as_csv, as_parquet])
def test_fine_tuning_data_is_read_from_question_or_prompt(make) -> None:  # type: ignore[no-untyped-def]
    name = {as_jsonl: "a.jsonl", as_csv: "a.csv", as_parquet: "a.parquet"}[make]
    rows = [{"question": VIGNETTE, "reasoning": "..."}, {"question": OTHER, "reasoning": "..."}]
    assert [text.stem for text in read_training_texts(BytesIO(make(rows)), name)] == [VIGNETTE, OTHER]
    assert [text.stem for text in read_training_texts(BytesIO(make([{"prompt": OTHER, "completion": "x"}])), name)] == [
        OTHER
    ]


def test_fine_tuning_data_may_be_chats_and_have_options() -> None:
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": OTHER}]
    rows = [{"prompt": chat}, {"messages": chat}, {"question": "Which?", "options": "{'A': 'x', 'B': 'y'}"}]
    assert list(read_training_texts(BytesIO(as_jsonl(rows)), "a.jsonl")) == [
        Text(OTHER),
        Text(OTHER),
        Text("Which?", ("x", "y")),
    ]


def test_fine_tuning_data_without_a_question_is_refused_with_the_line() -> None:
    with pytest.raises(InvalidQuestionSet, match=r"a\.jsonl, line 2: found no text in question, prompt or messages"):
        list(read_training_texts(BytesIO(as_jsonl([{"question": "Q?"}, {"text": "x"}])), "a.jsonl"))
