"""Pasted HTML is offered as the text that it shows; text with less-than signs is none."""

import tracemalloc

import pytest

from m1app.question.pastes.html_text import has_html, html_to_text
from m1app.question.pastes.pasted_question import OfferKind, read_paste


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("One<br>Two<br/>Three", "One\nTwo\nThree"),
        ("<b>A.</b>&nbsp;Iron<br><b>B.</b>&nbsp;Zinc", "A. Iron\nB. Zinc"),
        ('<ol type="A"><li>Iron</li><li>Zinc</li></ol>', "A. Iron\nB. Zinc"),
        ("<ol><li>Iron</li><li><p>Zinc</p></li></ol>", "1. Iron\n2. Zinc"),
        ("<ul><li>Iron</li><li>A. Zinc</li></ul>", "• Iron\nA. Zinc"),
        ('<ol type="A"><li>A. Iron</li><li>K. pneumoniae</li></ol>', "A. Iron\nB. K. pneumoniae"),
        ("5 &times; 10<sup>9</sup>/L of Ca<sup>2+</sup>, H<sub>2</sub>O", "5 × 10^9/L of Ca2+, H2O"),
        ("K &lt; 3 &amp; Na &gt; 150 &#945;", "K < 3 & Na > 150 α"),
        ("<table><tr><td>Hb</td><td>68</td></tr><tr><td>INR</td><td>1.4</td></tr></table>", "Hb\t68\nINR\t1.4"),
        ("<style>p { color: red }</style><p>One <!-- not <b>this</b> --> line</p>", "One  line"),
        ("<p>pH<7.2 and x<y</p>", "pH<7.2 and x<y"),
        ("<p>One <!-- open", "One <!-- open"),
        ("<div><div>One</div></div><div>Two</div>", "One\n\nTwo"),
    ],
)
def test_html_becomes_the_lines_it_shows(html: str, text: str) -> None:
    assert has_html(html)
    assert html_to_text(html).replace("\n\n", "\n") == text.replace("\n\n", "\n")


@pytest.mark.parametrize(
    "text",
    [
        "K < 3 and Na > 150?",
        "Is a<b and c>d?",
        "Give <5 mg> or 10 mg",
        "R&D; AT&T &c.",
        "x <- y -> z",
        "Which of <these> is right?",
        "mail <someone@example.org>",
    ],
)
def test_other_angles_and_ampersands_are_no_html(text: str) -> None:
    assert not has_html(text)
    assert not read_paste(text).offers


QUESTION = (
    "<div><p>A woman of 40 has K&nbsp;&lt;&nbsp;3 mmol/L.</p><p>Which drug <i>lowers</i> it?</p>"
    "<ul><li><b>A.</b> Insulin (80%)</li><li><b>B.</b> Ramipril (20%)</li></ul><p><b>Answer:</b> A</p></div>"
)


def test_html_is_offered_as_text_with_its_options_and_target() -> None:
    paste = read_paste(QUESTION)
    assert paste.stem == QUESTION
    offer = paste.offers[0]
    assert offer.kind is OfferKind.HTML
    (shown,) = offer.questions
    assert shown.stem == "A woman of 40 has K < 3 mmol/L.\n\nWhich drug lowers it?"
    assert (shown.options, shown.target) == ({"A": "Insulin", "B": "Ramipril"}, "A")


def test_several_questions_in_html_become_text_that_is_read_anew() -> None:
    html = "<p>1. Why?</p><p>A. x</p><p>B. y</p><p>2. How?</p><p>A. p</p><p>B. q</p>"
    (offer,) = read_paste(html).offers
    (shown,) = offer.questions
    assert not shown.options
    assert len(read_paste(shown.stem).questions) == 2


def test_html_whose_options_are_wrong_is_still_offered_as_text() -> None:
    (offer,) = read_paste("<p>Why?</p><p>A. x</p><p>A. y</p>").offers
    assert offer.questions[0].stem == "Why?\n\nA. x\n\nA. y"


@pytest.mark.parametrize("part", ["<!--", "<ul>", "<b ", "&lt", "<td>", "<li><p>x</p>", "<script>", "<p title='"])
def test_hostile_html_is_read_to_its_end(part: str) -> None:
    html_to_text(part * 20_000)


def test_lists_within_lists_take_no_memory_for_marks_that_nobody_sees() -> None:
    tracemalloc.start()
    try:
        assert html_to_text("<ol>" * 20_000 + "<li>One") == "1. One"
        assert tracemalloc.get_traced_memory()[1] < 40 * 2**20
    finally:
        tracemalloc.stop()
