"""A file as blocks by the ending of its name, and a ZIP archive of such files, each the source of its blocks.

A source is named without its folder, unless several files have the name. In an archive, files that begin with "README"
or a full stop describe or accompany the others, and are left out.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import PurePath, PurePosixPath
from typing import BinaryIO
from zipfile import ZipInfo

from m1app.knowledge.blocks import Block, label
from m1app.knowledge.errors import InvalidCorpus
from m1app.knowledge.pdf_files import pdf_blocks
from m1app.knowledge.row_files import row_blocks
from m1app.knowledge.text_files import text_blocks
from m1app.question_sets.rows import unpacked
from m1app.question_sets.zip_members import explained, opened_zip
from m1app.wording import counted

FILE_KINDS = ".txt, .md, .pdf, .jsonl or .csv, or several of these in a .zip"
MAX_MEMBERS = 20_000
_TEXT_ENDINGS = (".txt", ".text", ".md", ".markdown")
_ROW_ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
_KNOWN = (*_TEXT_ENDINGS, *_ROW_ENDINGS, ".pdf")


def blocks_of(file: BinaryIO, file_name: str, note: Callable[[str], None]) -> Iterator[Block]:
    """Yield the blocks of an open file; `note` is told what was left out, in words for users.

    Raises:
        InvalidCorpus: it is of an unknown kind.
        InvalidQuestionSet: it cannot be read.
    """
    ending = PurePath(file_name.removesuffix(".gz")).suffix.lower()
    if ending in _TEXT_ENDINGS:
        return text_blocks(unpacked(file, file_name), file_name, is_markdown=ending in (".md", ".markdown"))
    if ending == ".pdf":
        return pdf_blocks(unpacked(file, file_name), file_name, note)
    if ending in _ROW_ENDINGS:
        return row_blocks(file, file_name, note)
    raise InvalidCorpus(
        f"{file_name}: found a name that ends with {ending or 'nothing'}, expected {FILE_KINDS}. Convert the file, or "
        "correct its extension."
    )


def archive_blocks(file: BinaryIO, file_name: str, note: Callable[[str], None]) -> Iterator[Block]:
    """Yield the blocks of the files in an open ZIP archive, by name; errors as `blocks_of`."""
    archive = opened_zip(file, file_name)
    members = sorted((each for each in archive.infolist() if not each.is_dir()), key=lambda each: each.filename)
    if len(members) > MAX_MEMBERS:
        raise InvalidCorpus(
            f"{file_name}: found {counted(len(members), 'file')}, expected at most {MAX_MEMBERS:,}. Make several "
            "archives and add them under different names."
        )
    used = [each for each in members if is_used(_name_of(each))]
    if left_out := len(members) - len(used):
        note(f"{counted(left_out, 'file')} of the archive left out: of another kind, or named README.")
    times = Counter(map(_name_of, used))
    for each in used:
        with explained(file_name):
            content = archive.read(each)
        name = _name_of(each)
        if times[name] > 1:
            name = "/".join(part for part in _path_of(each).parts if part not in ("/", ".."))
        for block in blocks_of(io.BytesIO(content), name, note):
            yield block if block.source else replace(block, source=label(name))


def is_used(name: str) -> bool:
    """Whether a file of an archive or a folder is read; its name is given without its folder."""
    folded = name.casefold()
    return PurePath(folded).suffix in _KNOWN and not folded.startswith((".", "readme"))


def _name_of(member: ZipInfo) -> str:
    return _path_of(member).name


def _path_of(member: ZipInfo) -> PurePosixPath:
    return PurePosixPath(member.filename.replace("\\", "/"))
