"""What may identify a person is found, and exam questions pass."""

import resource
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.privacy.check_digits import is_ahv_number, is_iban, is_luhn, is_nhs_number
from m1app.privacy.identifiers import IdentifierKind, find_identifiers, masked
from m1app.question.library import load_library
from tests.m1app.privacy.identifier_snippets import HARMLESS, IDENTIFYING


@pytest.mark.parametrize(("text", "kind"), IDENTIFYING)
def test_what_may_identify_a_person_is_found(text: str, kind: IdentifierKind) -> None:
    assert [each.kind for each in find_identifiers(text)] == [kind]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_exam_questions_contain_passes(text: str) -> None:
    assert find_identifiers(text) == ()


def test_there_are_snippets_of_every_kind() -> None:
    assert {kind for _, kind in IDENTIFYING} == set(IdentifierKind)
    assert (len(IDENTIFYING) >= 40, len(HARMLESS) >= 60) == (True, True)


def test_all_snippets_in_one_text_are_found_where_they_are() -> None:
    text = "\n".join(text for text, _ in IDENTIFYING) + "\n" + "\n".join(HARMLESS)
    found = find_identifiers(text)
    assert [each.kind for each in found] == [kind for _, kind in IDENTIFYING]


def test_the_library_passes() -> None:
    for entry in load_library():
        assert find_identifiers("\n".join((entry.question, *entry.options.values()))) == (), entry.id


def test_an_excerpt_shows_where_it_is_but_not_what_it_is() -> None:
    (found,) = find_identifiers("Write to jane.roe@example.org today.")
    assert found.excerpt == "ja••.•••@•••••••.•••"
    assert (found.start, found.end) == (9, 29)
    assert masked("x" * 30) == "xx" + "•" * 22 + "…"


@pytest.mark.parametrize(
    ("is_valid", "good"),
    [
        (is_luhn, "4111111111111111"),
        (is_nhs_number, "9434765919"),
        (is_ahv_number, "7569217076985"),
        (is_iban, "CH9300762011623852957"),
    ],
)
def test_one_wrong_digit_fails_the_check(is_valid, good: str) -> None:  # type: ignore[no-untyped-def]
    assert is_valid(good)
    for position, character in enumerate(good):
        if character.isdigit():
            wrong = str((int(character) + 1) % 10)
            assert not is_valid(good[:position] + wrong + good[position + 1 :])


@given(st.text(max_size=300))
def test_any_text_can_be_searched(text: str) -> None:
    found = find_identifiers(text)
    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


ROOT = Path(__file__).resolve().parents[3]
LONG_CHARACTERS = 200_000
PROCESSOR_SECONDS = 20
"""Dozens of times what is needed; a search that tries out combinations takes minutes."""
SEARCH = "import sys; from m1app.privacy.identifiers import find_identifiers; find_identifiers(sys.stdin.read())"


@pytest.mark.parametrize(
    "pieces",
    [
        ("+1" + "1" * 33 + "x ",),
        ("1/1/2001 ", "1.1.2001\n"),
        ("1", " ", ".", "a", "+1", "1 ", "1.", "1-", "(1) ", "a@", "www.a-", "1a:", "call a", "patient Aa-", "4444 "),
        ("+1 (1) ", "0211 ", "MRN A-1", "CH93 A1B2 ", "IP 1.1", "12/05/", "born on 1.", "D'Aa ", "tel 1 1/1-1 "),
    ],
    ids=lambda pieces: pieces[0][:8],
)
def test_the_time_of_a_search_grows_with_the_text_and_not_faster(pieces: tuple[str, ...]) -> None:
    size = LONG_CHARACTERS // len(pieces)
    text = "".join((piece * size)[:size] for piece in pieces)
    limit = (PROCESSOR_SECONDS, PROCESSOR_SECONDS)
    subprocess.run(
        [sys.executable, "-c", SEARCH],
        input=text,
        text=True,
        cwd=ROOT,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, limit),
    )


@pytest.mark.parametrize("text", ["+1 (617) 555-0134", "+41 79 123 45 67", "+491701234567", "+44 (0)20 7946 0958"])
def test_the_whole_of_an_international_number_is_found(text: str) -> None:
    (found,) = find_identifiers(f"Reach her at {text}.")
    assert (found.kind, found.start, found.end) == (IdentifierKind.PHONE, 13, 13 + len(text))


def test_a_long_row_of_digits_is_no_international_number() -> None:
    assert find_identifiers("The score is +1234567890123456.") == ()


def test_what_an_earlier_pattern_has_found_is_not_found_again() -> None:
    text = "Tel. 943 476 5919, born on 14.03.1962, +41 79 123 45 67, 14.03.1962"
    kinds = [each.kind for each in find_identifiers(text)]
    assert kinds == [IdentifierKind.NATIONAL_ID, IdentifierKind.DATE, IdentifierKind.PHONE, IdentifierKind.DATE]
