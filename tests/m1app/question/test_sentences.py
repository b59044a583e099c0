"""Sentences of thinking and answers: what ends one, and what only looks like its end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.question.sentences import sentences

TABLE = [
    ("one after another", ["He bleeds.", "Stop dabigatran!", "Is it safe?"], " "),
    ("list numbers", ["1. He bleeds.", "2. Stop dabigatran.", "3) Wait."], " "),
    ("list numbers on lines", ["1. He bleeds.", "2. Stop dabigatran.", "(a) Wait.", "iv. Repeat."], "\n"),
    ("a number alone on its line", ["2.\nStop dabigatran.", "Then wait."], " "),
    ("list numbers in bold", ["**2.** He bleeds.", "Then he stops."], " "),
    ("nested numbers", ["2.1. He bleeds.", "2.2. He stops."], "\n"),
    ("options", ["A. The liver is small.", "B. The spleen is large."], "\n"),
    ("a number at the end", ["The INR was 2.", "He then bled."], " "),
    ("decimals", ["Lactate is 4.5 mmol/L and pH 7.25.", "He is in shock."], " "),
    ("e.g. and i.e.", ["Take an antidote, e.g. Idarucizumab, i.e. Praxbind.", "Then wait."], " "),
    ("titles", ["Dr. Smith and Prof. Jones agree.", "Mrs. Lee does not."], " "),
    ("doses", ["Give 500 mg b.i.d. with food, or 1 g q.d. if he forgets.", "Check the INR."], " "),
    ("a dose at the end", ["Give 500 mg b.i.d.", "Check the INR."], " "),
    ("routes", ["Vancomycin i.v. or p.o. is given.", "Then wait."], " "),
    ("genus", ["It is E. coli, not S. aureus or C. difficile.", "Treat it."], " "),
    ("a letter at the end", ["The answer is B.", "The others are wrong."], " "),
    ("vs.", ["It is ulcerative colitis vs. Crohn's disease.", "Do a colonoscopy."], " "),
    ("figures", ["See Fig. 2 and No. 5.", "Is it B?", "No.", "It is A."], " "),
    ("et al.", ["Lee et al. (2020) saw this.", "So did Kim et al. 2019."], " "),
    ("sizes", ["It measures approx. 3 cm.", "Remove it."], " "),
    ("an ellipsis", ["Hmm... maybe not.", "Wait…", "It is B."], " "),
    ("quotes and brackets", ["He said “stop.”", "(It hurts.)", "Then he left."], " "),
    ("words that begin small", ["It is an acidosis.", "pH is 7.1.", "mRNA is not the target."], " "),
    ("Windows lines", ["First line", "Second line."], "\r\n"),
    ("paragraphs", ["First", "Second"], "\n\n"),
    ("Chinese", ["他出血。", "停药！", "为什么？"], ""),
    ("Arabic and Hindi", ["هل هو آمن؟", "यह ठीक है।"], " "),
]


@pytest.mark.parametrize(("expected", "gap"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_text_is_cut_into_its_sentences(expected: list[str], gap: str) -> None:
    text = gap.join(expected)
    assert [text[start:end] for start, end in sentences(text)] == expected


@pytest.mark.parametrize("text", ["", " \n ", "...", "2."])
def test_a_text_without_a_sentence_is_at_most_one(text: str) -> None:
    assert [text[start:end] for start, end in sentences(text)] == ([text] if text.strip() else [])


@pytest.mark.parametrize("part", ["e.g. x", "1. ", " ", ".", "(1) \n", ". ", '."', "\t \n"])
def test_a_text_without_end_is_read_once_not_once_for_each_mark(part: str) -> None:
    """Read by the square of its length, each of these would take minutes, which the test's time limit ends."""
    text = "a" + part * (300_000 // len(part)) + "z"
    assert len(sentences(text)) <= len(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (" " * 500_000 + "x", 1),
        ("." * 500_000 + "x", 1),
        ("e.g. " * 100_000, 1),
        ("ab. " * 125_000, 1),
        ("1.1" * 50_000 + " e.g. " * 50_000, 1),
    ],
    ids=["spaces", "full stops", "abbreviations", "small letters", "a long number"],
)
def test_a_model_that_repeats_itself_for_ever_is_read_in_one_go(text: str, count: int) -> None:
    # Reading each repetition from the first one on took minutes.
    assert len(sentences(text)) == count


@given(st.text(alphabet="aB2. !?\n\r()*e.g.。", max_size=60))
def test_sentences_cover_everything_but_white_space_in_order(text: str) -> None:
    at = 0
    for start, end in sentences(text):
        assert not text[at:start].strip()
        assert text[start:end] == text[start:end].strip() != ""
        at = end
    assert not text[at:].strip()
