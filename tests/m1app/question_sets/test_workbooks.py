"""Excel workbooks are read as the tables they show."""

import pytest

from m1app.question_sets.errors import InvalidQuestionSet
from tests.m1app.question_sets.question_set_samples import sets_of
from tests.m1app.question_sets.test_text_encoding import notes_of
from tests.m1app.question_sets.workbook_samples import rows_xml, workbook, workbook_of

HEADER = ["question", "A", "B", "C", "answer"]
ROWS = [
    HEADER,
    ["Which vitamin\nis missing in <scurvy> & why?", "Vitamin C", "Vitamin D", None, "A"],
    [],
    ["How many bones has a hand?", 27, 14.5, 0.30000000000000004, "A"],
]


@pytest.mark.parametrize("is_shared", [False, True])
def test_texts_and_numbers_are_kept_and_empty_rows_are_skipped(is_shared: bool) -> None:
    (found,) = sets_of(workbook(ROWS, is_shared=is_shared), "My exam.xlsx")
    first, second = found.questions
    assert (found.name, first.stem) == ("My exam", "Which vitamin\nis missing in <scurvy> & why?")
    assert first.options == {"A": "Vitamin C", "B": "Vitamin D"}
    assert second.options == {"A": "27", "B": "14.5", "C": "0.3"}


def test_an_error_names_the_row_that_excel_shows() -> None:
    with pytest.raises(InvalidQuestionSet, match=r"a\.xlsx, row 4: column answer: found \"Z\""):
        sets_of(workbook([*ROWS[:3], ["Q?", "x", "y", "z", "Z"]]), "a.xlsx")


def test_formatted_texts_are_joined_and_hints_for_pronunciation_are_left_out() -> None:
    strings = "<si><r><t>Who </t></r><r><rPr><b/></rPr><t>first</t></r><rPh sb='0'><t>hint</t></rPh><t>?</t></si>"
    sheet = rows_xml([HEADER]) + '<row r="2"><c r="A2" t="s"><v>0</v></c>'
    sheet += "".join(f'<c r="{c}2" t="inlineStr"><is><t>{t}</t></is></c>' for c, t in zip("BCE", "xyB", strict=True))
    (found,) = sets_of(workbook_of(sheet + "</row>", strings=strings), "a.xlsx")
    assert (found.questions[0].stem, found.questions[0].target) == ("Who first?", "B")


def test_the_stored_result_of_a_formula_counts_and_nothing_is_evaluated() -> None:
    sheet = rows_xml([HEADER]) + (
        '<row><c t="str"><f>HYPERLINK("http://x")</f><v>Which one?</v></c><c><f>1+1</f><v>2</v></c>'
        '<c t="b"><v>1</v></c><c t="e"><v>#N/A</v></c><c t="str"><v>A</v></c></row>'
    )
    with pytest.raises(InvalidQuestionSet, match=r'column A, B, \.\.\., option C: found "the error #N/A"'):
        sets_of(workbook_of(sheet), "a.xlsx")
    (found,) = sets_of(workbook_of(sheet.replace('<c t="e"><v>#N/A</v></c>', "<c></c>")), "a.xlsx")
    assert (found.questions[0].stem, found.questions[0].options) == ("Which one?", {"A": "2", "B": "TRUE"})


@pytest.mark.parametrize(("style", "is_date"), [("0", False), ("1", True), ("2", True), ("3", False)])
def test_an_option_that_excel_has_made_a_date_is_refused(style: str, is_date: bool) -> None:
    styles = (
        '<numFmts><numFmt numFmtId="170" formatCode="d\\-mmm"/><numFmt numFmtId="171" formatCode="0.0 &quot;mg&quot;"/>'
        '</numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/>'
        '<xf numFmtId="170"/><xf numFmtId="171"/></cellXfs><cellStyles><xf numFmtId="14"/></cellStyles>'
    )
    row = f'<row r="2"><c r="A2" t="str"><v>Q?</v></c><c r="B2" s="{style}"><v>45000</v></c><c r="C2"><v>1</v></c>'
    content = workbook_of(rows_xml([HEADER]) + row + '<c r="E2" t="str"><v>A</v></c></row>', styles=styles)
    if is_date:
        with pytest.raises(InvalidQuestionSet, match='option A: found "a date, which Excel makes of texts such as 3/4'):
            sets_of(content, "a.xlsx")
    else:
        (found,) = sets_of(content, "a.xlsx")
        assert found.questions[0].options == {"A": "45000", "B": "1"}


def test_the_first_visible_sheet_is_read_and_the_others_are_named() -> None:
    shown = workbook(ROWS, second_sheet="Notes & more")
    assert notes_of(shown, "a.xlsx") == ["a.xlsx: only the first sheet, 'Questions', was read, not 'Notes & more'."]
    assert notes_of(workbook(ROWS, second_sheet="Notes", state="hidden"), "a.xlsx") == []
    with pytest.raises(InvalidQuestionSet, match="found no visible sheet"):
        sets_of(workbook(ROWS, state="hidden"), "a.xlsx")
