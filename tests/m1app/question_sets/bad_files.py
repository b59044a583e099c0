"""Files that were made to do harm, or that are no question sets; none is large, they only become so when read."""

import gzip
import io
import json
import lzma
import zipfile

import numpy
import pyarrow
from pyarrow import parquet

from tests.m1app.question_sets.question_set_samples import as_jsonl, as_parquet, m1_row


def repeating_parquet(rows: int, text: str) -> bytes:
    """One text that stands for many rows."""
    indices = pyarrow.array(numpy.zeros(rows, dtype=numpy.int8))
    table = pyarrow.table({"question": pyarrow.DictionaryArray.from_arrays(indices, [text])})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.jsonl", content)
    return buffer.getvalue()


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
    "utf-16": (lambda: TEXT.encode("utf-16"), "a.json", "line 1: found byte 0xFF, expected UTF-8 text"),
    "utf-32": (lambda: TEXT.encode("utf-32-be"), "a.json", "this is not JSON"),
    "bytes in the third line": (lambda: ROW * 2 + b"\x80\n", "a.jsonl", "line 3: found byte 0x80"),
    "half a character at the end": (lambda: ROW + "ü".encode()[:1], "a.jsonl", "line 2: found byte 0xC3"),
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
    "zip": (lambda: zipped(ROW), "a.zip", "found a name that ends with .zip, expected .json"),
    "zip named json": (lambda: zipped(ROW), "a.json", "expected UTF-8 text"),
    "gzip": (lambda: gzip.compress(ROW), "a.jsonl.gz", "found a name that ends with .gz"),
    "xz named parquet": (lambda: lzma.compress(ROW), "a.parquet", "this Parquet file cannot be read"),
    "picture named csv": (lambda: b"\x89PNG\r\n\x1a\n" * 100, "a.csv", "line 1: found byte 0x89"),
    "empty": (lambda: b"", "a.json", "this is not JSON"),
    "blanks": (lambda: b" \n" * 1000, "a.jsonl", "found no question"),
}
"""What it is: how to make it, its name, and what is said of it."""
