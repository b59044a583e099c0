"""Files that were made to do harm, or that are no question sets; none is large, they only become so when read."""

import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Iterable, Iterator

import numpy
import pyarrow
from pyarrow import parquet

from tests.m1app.question_sets.question_set_samples import as_jsonl, as_parquet, m1_row
from tests.m1app.question_sets.workbook_samples import rows_xml, workbook, workbook_of


def repeating_parquet(rows: int, text: str) -> bytes:
    """One text that stands for many rows."""
    indices = pyarrow.array(numpy.zeros(rows, dtype=numpy.int8))
    table = pyarrow.table({"question": pyarrow.DictionaryArray.from_arrays(indices, [text])})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def zipped(
    members: dict[str, bytes | Iterable[bytes]], method: int = zipfile.ZIP_DEFLATED, level: int | None = None
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method, compresslevel=level) as archive:
        for name, content in members.items():
            with archive.open(name, "w", force_zip64=True) as member:
                for chunk in [content] if isinstance(content, bytes) else content:
                    member.write(chunk)
    return buffer.getvalue()


def zeros(count: int) -> Iterator[bytes]:
    for _ in range(count >> 20):
        yield bytes(1 << 20)


def said_to_be_encrypted(archive: bytes) -> bytes:
    flags = archive.rindex(b"PK\1\2") + 8
    return archive[:flags] + bytes([archive[flags] | 1]) + archive[flags + 1 :]


def with_flag_or_version(archive: bytes, offset: int, value: int) -> bytes:
    """The archive with a byte of its first directory entry replaced."""
    place = archive.index(b"PK\1\2") + offset
    return archive[:place] + bytes([value]) + archive[place + 1 :]


ROW = as_jsonl([m1_row()])
TEXT = json.dumps(m1_row())
MANY = 2_000_000

BAD_FILES = {
    "parquet of 30 million rows": (lambda: repeating_parquet(30_000_000, "x"), "a.parquet", "found 30,000,000 rows"),
    "parquet of gigabytes": (
        lambda: repeating_parquet(900_000, "x" * 2_000_000),
        "a.parquet",
        "more than 2 GB of data",
    ),
    "parquet of long rows": (
        lambda: repeating_parquet(10, "x" * 9_000_000),
        "a.parquet",
        "row 1: found more than 8,000,000 characters",
    ),
    "parquet that is too much at once": (
        lambda: repeating_parquet(64, "x" * 60_000_000),
        "a.parquet",
        "more memory than a file may take (1,024 MB)",
    ),
    "parquet cut off": (lambda: as_parquet([m1_row()])[:-20], "a.parquet", "this Parquet file cannot be read"),
    "parquet named json": (lambda: as_parquet([{"q": 1}]), "a.json", "no layout has the columns 'q'"),
    "json of many values": (
        lambda: b"[[" + b"{}," * 16_000_000 + b"{}]]",
        "a.json",
        "more memory than a file may take (1,024 MB)",
    ),
    "json of many rows": (lambda: b"[" + b"1," * MANY + b"1]", "a.json", "found 1,000,001 rows or more"),
    "json of many sets": (
        lambda: json.dumps({str(number): [] for number in range(101)}).encode(),
        "a.json",
        "found 101 sets, expected at most 100",
    ),
    "json nested deeply": (lambda: b"[" * 100_000, "a.json", "this JSON cannot be read (maximum recursion"),
    "objects nested deeply": (lambda: b'{"a":' * 100_000, "a.json", "this JSON cannot be read (maximum recursion"),
    "line nested deeply": (lambda: b'{"a":' * 100_000, "a.jsonl", "line 1: found"),
    "cell nested deeply": (
        lambda: b"question,options,answer\nq," + b"[" * 100_000 + b",A\n",
        "a.csv",
        "line 2: column options: found",
    ),
    "huge number": (lambda: b'[{"question": 1' + b"0" * 5000 + b"}]", "a.json", "this JSON cannot be read (Exceeds"),
    "huge number on a line": (lambda: b'{"cop": 1' + b"0" * 5000 + b"}", "a.jsonl", "line 1: found"),
    "huge number in a cell": (
        lambda: b"question,opa,opb,opc,opd,cop\nq,a,b,c,d," + b"9" * 5000 + b"\n",
        "a.csv",
        "line 2: column cop: found",
    ),
    "huge hexadecimal number": (
        lambda: b"question,options,answer\nq,\"['a', 0x" + b"f" * 5000 + b']",A\n',
        "a.csv",
        "line 2: a value cannot be read (ValueError",
    ),
    "utf-16 without a mark": (
        lambda: TEXT.encode("utf-16-le"),
        "a.json",
        "a zero in every second byte, as in UTF-16 without a byte order mark; expected UTF-8 text",
    ),
    "utf-16 cut off": (lambda: TEXT.encode("utf-16")[:-1], "a.json", "this is not UTF-16, though its first bytes say"),
    "utf-32": (lambda: TEXT.encode("utf-32-be"), "a.json", "this is not JSON"),
    "utf-32 with a mark": (lambda: TEXT.encode("utf-32"), "a.json", "found UTF-32 text, expected UTF-8"),
    "bytes in the third line": (lambda: ROW + "ü\n".encode() + b"\x80\n", "a.jsonl", "line 3: found byte 0x80"),
    "half a character at the end": (
        lambda: ROW + "ü\n".encode() + "ü".encode()[:1],
        "a.jsonl",
        "line 3: found byte 0xC3",
    ),
    "nothing but a mark": (lambda: b"\xef\xbb\xbf", "a.json", "this is not JSON"),
    "nul": (lambda: as_jsonl([m1_row(question="pain\0killer")]), "a.jsonl", "found a NUL (U+0000) in the question"),
    "nuls": (lambda: b"\0" * 1_000_000, "a.csv", "found no question"),
    "lone surrogate": (lambda: as_jsonl([m1_row(question="x\ud800")]), "a.jsonl", "half of a surrogate pair"),
    "lone surrogate as a key": (
        lambda: b'[{"question": "q", "\\ud800": 1}]',
        "a.json",
        "column options: found nothing",
    ),
    "lone surrogate as a name": (lambda: b'{"\\ud800": []}', "a.json", "found no question in '\\ud800'"),
    "name of two lines": (lambda: b'{"a\\nb": [], "c": []}', "a.json", "found no question in 'a\\nb'"),
    "csv with one cell of 100 MB": (
        lambda: b'question,A,B,answer\n"' + b"x" * 100_000_000 + b'",a,b,A\n',
        "a.csv",
        "line 2: found more than 8,000,000 characters",
    ),
    "csv with a cell of many lines": (
        lambda: b'question,A,B,answer\n"' + b"x\n" * 5_000_000 + b'",a,b,A\n',
        "a.csv",
        "this is not CSV (field larger than field limit",
    ),
    "json line of 10 MB": (
        lambda: as_jsonl([m1_row(question="x" * 10_000_000)]),
        "a.jsonl",
        "line 1: found more than 8,000,000 characters",
    ),
    "json entry of 10 MB": (
        lambda: json.dumps([m1_row(question="x" * 10_000_000)]).encode(),
        "a.json",
        "line 1 (entry 1): found more than 8,000,000 characters",
    ),
    "question of 2 million characters": (
        lambda: as_jsonl([m1_row(question="x" * 2_000_000)]),
        "a.jsonl",
        "line 1: found a question of 2,000,016 characters, expected at most 1,000,000",
    ),
    "all questions together": (
        lambda: as_jsonl([m1_row(question="x" * 900_000)]) * 112,
        "a.jsonl",
        "expected at most 500,000 questions and 100,000,000 characters",
    ),
    "zip of nothing to read": (
        lambda: zipped({"notes.txt": b"", "old/a.xml": b""}),
        "a.zip",
        "found notes.txt, a.xml in the ZIP, expected .json",
    ),
    "zip that unpacks to 3 GB": (
        lambda: zipped({"a.csv": zeros(3 * 2**30)}, level=1),
        "a.zip",
        "a.zip: found more than 2 GB of data after decompression",
    ),
    "zip that unpacks to 600 times its size": (
        lambda: zipped({"a.csv": zeros(64 * 2**20)}),
        "a.zip",
        "decompresses to more than 500 times its size",
    ),
    "zip of many members": (
        lambda: zipped({f"{number}.jsonl": ROW for number in range(101)}),
        "a.zip",
        "found 101 files in the ZIP, expected at most 100",
    ),
    "zip of two sets with one name": (
        lambda: zipped({"dev/a.jsonl": ROW, "../../test/a.jsonl": ROW}),
        "a.zip",
        "found two sets named 'a' in the ZIP (folders do not count)",
    ),
    "zip cut off": (lambda: zipped({"a.jsonl": ROW})[:-30], "a.zip", "this file is damaged or cut off"),
    "zip with a wrong checksum": (
        lambda: zipped({"a.jsonl": ROW}, zipfile.ZIP_STORED).replace(b"Facial", b"facial"),
        "a.zip",
        "a.zip, a.jsonl: this file is damaged or cut off (Bad CRC-32",
    ),
    "zip with a password": (
        lambda: said_to_be_encrypted(zipped({"a.jsonl": ROW})),
        "a.zip",
        "found a password-protected file",
    ),
    "zip in an unusual compression": (
        lambda: zipped({"a.jsonl": ROW}, zipfile.ZIP_LZMA),
        "a.zip",
        "found compression method 14, expected the usual one",
    ),
    "zip for a program of the future": (
        lambda: with_flag_or_version(zipped({"a.jsonl": ROW}), 6, 99),
        "a.zip",
        "this file is damaged or cut off (zip file version 9.9)",
    ),
    "zip with a patch": (
        lambda: with_flag_or_version(zipped({"a.jsonl": ROW}), 8, 0x20),
        "a.zip",
        "a.zip, a.jsonl: this file is damaged or cut off (compressed patched data",
    ),
    "bad row in a zip": (
        lambda: zipped({"folder/a.jsonl": ROW + b"{\n"}),
        "a.zip",
        "a.zip, a.jsonl, line 2: found",
    ),
    "gzip cut off": (lambda: gzip.compress(ROW * 9)[:-20], "a.jsonl.gz", "this .gz file is damaged or cut off"),
    "gzip that unpacks to 600 times its size": (
        lambda: gzip.compress(bytes(64 * 2**20)),
        "a.csv.gz",
        "decompresses to more than 500 times its size",
    ),
    "gzip of something else": (lambda: gzip.compress(b"x"), "a.tar.gz", "found a name that ends with .tar, expected"),
    "workbook of a million empty rows": (
        lambda: workbook_of("<row></row>" * 1_048_576),
        "a.xlsx",
        "a.xlsx: found no question in 'a'",
    ),
    "workbook of too many rows": (
        lambda: workbook_of("<row></row>" * 1_048_577),
        "a.xlsx",
        "a.xlsx: found row 1,048,577, expected at most 1,048,576 rows",
    ),
    "workbook with a cell far away": (
        lambda: workbook_of('<row r="1"><c r="A1"><v>1</v></c></row><row r="9"><c r="XFD9"><v>1</v></c></row>'),
        "a.xlsx",
        "a.xlsx, row 9: found a cell in column 16,384, expected at most 2,000 columns",
    ),
    "workbook with a text of 9 million characters": (
        lambda: workbook([["question", "A", "B", "answer"], ["x" * 9_000_000, "a", "b", "A"]]),
        "a.xlsx",
        "row 2: found more than 8,000,000 characters",
    ),
    "workbook that repeats a long text": (
        lambda: workbook([["question", *["x" * 1_000_000] * 10]], is_shared=True),
        "a.xlsx",
        "row 1: found more than 8,000,000 characters",
    ),
    "workbook with a document type": (
        lambda: workbook_of("&a;", before='<!DOCTYPE x [<!ENTITY a "b">]>'),
        "a.xlsx",
        "a document type, which no workbook has",
    ),
    "workbook in an unknown encoding": (
        lambda: workbook_of("", before='<?xml version="1.0" encoding="x-unknown"?>'),
        "a.xlsx",
        "this workbook cannot be read (unknown encoding: x-unknown)",
    ),
    "workbook with a text before the first one": (
        lambda: workbook_of('<row r="2"><c r="A2" t="s"><v>-1</v></c></row>', strings="<si><t>question</t></si>"),
        "a.xlsx",
        "this workbook cannot be read (row 2 has the shared text -1)",
    ),
    "workbook that is cut off": (lambda: workbook([["question"]])[:-30], "a.xlsx", "this file is damaged or cut off"),
    "workbook that is no zip": (lambda: ROW, "a.xlsx", "found a file that is no Excel workbook, though it is named"),
    "workbook without a sheet": (
        lambda: zipped({"xl/workbook.xml": b"<workbook/>"}),
        "a.xlsx",
        "a.xlsx: this workbook cannot be read",
    ),
    "workbook of the old format": (
        lambda: b"\xd0\xcf\x11\xe0" + bytes(600),
        "a.xls",
        "found a workbook of an old format (.xls), or a password-protected one",
    ),
    "formula without its result": (
        lambda: workbook_of(
            rows_xml([["question", "A", "B", "answer"]])
            + '<row r="2"><c r="A2" t="str"><f>B1&amp;"?"</f></c><c r="B2"><v>1</v></c><c r="C2"><v>2</v></c>'
            '<c r="D2" t="inlineStr"><is><t>A</t></is></c></row>'
        ),
        "a.xlsx",
        'a.xlsx, row 2: column question: found "a formula without a stored result", expected text',
    ),
    "csv with 10,000 columns": (
        lambda: (",".join(f"column{number}" for number in range(10_000)) + "\n").encode() * 2,
        "a.csv",
        "a.csv, line 1: found 10,000 columns, expected at most 2,000",
    ),
    "xz named parquet": (lambda: lzma.compress(ROW), "a.parquet", "this Parquet file cannot be read"),
    "picture named csv": (lambda: b"\x89PNG\r\n\x1a\n" * 100, "a.csv", "line 1: found byte 0x89"),
    "empty": (lambda: b"", "a.json", "this is not JSON"),
    "blanks": (lambda: b" \n" * 1000, "a.jsonl", "found no question"),
}
"""What it is: how to make it, its name, and what is said of it."""
