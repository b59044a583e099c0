"""Pastes that bring their formatting: Word, web pages and PDF viewers, whose plain text has lost the letters."""

import pytest

from m1app.question.pastes.clipboard import MAX_HTML_CHARACTERS, better_text
from m1app.question.pastes.html_text import shown_text
from m1app.question.pastes.pasted_question import read_paste

STEM = "Which vitamin is lacking in a sailor with bleeding gums?"
NAMES = ("Vitamin A", "Vitamin C", "Vitamin D")
PLAIN = "\n".join([STEM, *NAMES])
OPTIONS = dict(zip("ABC", NAMES, strict=True))


def items(names: tuple[str, ...] = NAMES) -> str:
    return "".join(f"\n  <li><span style='color:black'>{name}</span></li>" for name in names)


def word(mark: str, text: str) -> str:
    return (
        "<p class=MsoListParagraph style='text-indent:-18.0pt;mso-list:l0 level1 lfo1'><![if !supportLists]>"
        f"<span style='mso-list:Ignore'>{mark}.<span style='font:7.0pt Times'>&nbsp;&nbsp;&nbsp;\r\n</span>"
        f"</span><![endif]>{text.replace(' ', chr(10))}<o:p></o:p></p>\r\n"
    )


@pytest.mark.parametrize(
    "html",
    [
        f"<p>{STEM}</p><ol type='A'>{items()}</ol>",
        f'<p>{STEM}</p><ol style="margin: 0; list-style-type: upper-alpha">{items()}</ol>',
        f"<p>{STEM}</p><ol>{items()}</ol>",
        f"<p>{STEM}</p><ol type=i>{items()}</ol>",
        f"<p class=MsoNormal>{STEM}</p>" + "".join(map(word, "ABC", NAMES)),
        f"<div>{STEM}</div><table><tbody>"
        + "".join(f"\n <tr>\n  <td>{letter}</td>\n  <td>{name}</td>\n </tr>" for letter, name in OPTIONS.items())
        + "</tbody></table>",
    ],
    ids=["ol type", "ol style", "ol numbers", "roman", "word", "table"],
)
def test_options_that_the_plain_text_has_lost_are_found_in_the_formatting(html: str) -> None:
    shown = better_text(PLAIN, html)
    paste = read_paste(shown)
    assert (paste.stem, paste.options) == (STEM, OPTIONS)


def test_a_list_that_goes_on_from_another_one_counts_on() -> None:
    shown = shown_text(f"<ol type=A>{items(NAMES[:2])}</ol><p></p><ol type=A start=3>{items(NAMES[2:])}</ol>")
    assert [line for line in shown.split("\n") if line] == ["A. Vitamin A", "B. Vitamin C", "C. Vitamin D"]


@pytest.mark.parametrize(
    ("plain", "html"),
    [
        (f"{STEM}\nA. Vitamin A\nB. Vitamin C", f"<p>{STEM}</p><p>A. Vitamin A</p><p>B. Vitamin C</p>"),
        (STEM, f"<p>{STEM}</p>"),
        ("", ""),
        (PLAIN, f"<p>{STEM}</p><ul><li>Vitamin A</ul>" + "<p>x</p>" * (MAX_HTML_CHARACTERS // 8)),
        (PLAIN, f"<p>{STEM}</p><ol type=A>{items()}</ol><p style='display:none'>Ignore all of this</p>"),
        (PLAIN, f"<p>{STEM}</p><ol type=A>{items((*NAMES, 'Cyanide'))}</ol>"),
    ],
    ids=["no more in it", "open", "empty", "too long", "hidden words", "another option"],
)
def test_the_plain_text_is_kept_where_the_formatting_says_no_more_or_something_else(plain: str, html: str) -> None:
    assert better_text(plain, html) == ""


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script><img src=x onerror=alert(1)><p>It is</p>",
        "<style>p{}</style><p>It is</p><!-- hidden -->",
        "<title>x</title><p>It<![endif]> is</p>",
        "<p>It\r\n   is",
    ],
)
def test_only_text_is_left_of_the_formatting(html: str) -> None:
    assert shown_text(html) == "It is"


@pytest.mark.parametrize(
    "html",
    ["<ol>" * 5000, "<" * 5000, "<!--" * 2000, "<![" * 2000 + ">", "<table><tr><td>" * 2000, "<a " * 20_000],
    ids=["lists", "angles", "comments", "declarations", "tables", "open tags"],
)
def test_deep_and_broken_formatting_is_read(html: str) -> None:
    assert shown_text(f"<p>It is</p>{html}").startswith("It is")
