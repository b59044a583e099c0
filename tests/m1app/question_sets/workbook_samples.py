"""Excel workbooks, as Excel and other programs write them."""

import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def workbook(rows: Sequence[Sequence[object]], *, is_shared: bool = False, **others: str) -> bytes:
    """A workbook of one sheet.

    Args:
        rows: texts, and numbers.
        is_shared: texts are stored once, apart from the sheet, as Excel does.
        others: as in `workbook_of`.
    """
    if not is_shared:
        return workbook_of(rows_xml(rows), **others)
    texts = list(dict.fromkeys(cell for row in rows for cell in row if isinstance(cell, str)))
    strings = "".join(f"<si><t>{escape(text)}</t></si>" for text in texts)
    return workbook_of(rows_xml(rows, texts), strings=strings, **others)


def rows_xml(rows: Sequence[Sequence[object]], texts: Sequence[str] = ()) -> str:
    """The rows as XML; `texts` are those that are stored apart."""
    return "".join(
        f'<row r="{number}">'
        + "".join(_cell(f"{_LETTERS[i]}{number}", value, texts) for i, value in enumerate(row))
        + "</row>"
        for number, row in enumerate(rows, start=1)
    )


def _cell(place: str, value: object, texts: Sequence[str]) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return f'<c r="{place}"><v>{value}</v></c>'
    if texts:
        return f'<c r="{place}" t="s"><v>{texts.index(value)}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'


def workbook_of(
    sheet: str, *, strings: str = "", styles: str = "", before: str = "", second_sheet: str = "", state: str = "visible"
) -> bytes:
    """A workbook with this XML in its sheet.

    Args:
        sheet: rows.
        strings: the shared ones.
        styles: number formats and cell styles.
        before: what precedes the sheet's root.
        second_sheet: name of another sheet, which holds the same.
        state: of the first sheet: visible or hidden.
    """
    names = ["Questions", *([second_sheet] if second_sheet else [])]
    sheets = "".join(
        f'<sheet name="{escape(name)}" sheetId="{i}" r:id="rId{i}" state="{state if i == 1 else "visible"}"/>'
        for i, name in enumerate(names, start=1)
    )
    kinds = [*(("worksheet", f"worksheets/sheet{i}.xml") for i in range(1, len(names) + 1))]
    kinds += [("sharedStrings", "sharedStrings.xml"), ("styles", "/xl/styles.xml")]
    relations = "".join(
        f'<Relationship Id="rId{i}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for i, (kind, target) in enumerate(kinds, start=1)
    )
    parts = {
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{sheets}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f"<Relationships>{relations}</Relationships>",
        "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}">{strings}</sst>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}">{styles}</styleSheet>',
    }
    for i in range(1, len(names) + 1):
        parts[f"xl/worksheets/sheet{i}.xml"] = (
            f'{before}<worksheet xmlns="{_MAIN}"><sheetData>{sheet}</sheetData></worksheet>'
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()
