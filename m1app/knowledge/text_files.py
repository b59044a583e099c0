"""Text and Markdown as blocks: paragraphs under their headings, read line by line.

Markdown's headings are those with "#" or underlined. In other text, a short line between blank lines that ends without
a mark is a heading. Everything else is text, markup and instructions included: nothing here is ever carried out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from m1app.knowledge.blocks import Block, cleaned, joined_headings, label
from m1app.question_sets.text_encoding import encoding_of
from m1app.question_sets.text_lines import TextFile

_LINE_CHARACTERS = 100_000
"""A longer line is read in parts."""
_PARAGRAPH_CHARACTERS = 50_000
"""A longer paragraph is passed on up to its last whole sentence."""
_MARKDOWN_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*")
_UNDERLINE = re.compile(r"(=+|-{2,})\s*")
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_SENTENCE_ENDS = (". ", "? ", "! ", ".\n", "?\n", "!\n")
_HEADING_CHARACTERS, _HEADING_WORDS = 80, 12
_NOT_LAST_OF_HEADING = ".,;:!?\"'”"


def text_blocks(file: BinaryIO, file_name: str, *, is_markdown: bool) -> Iterator[Block]:
    """Yield the paragraphs of an open text file; raises InvalidQuestionSet if it is not text."""
    encoding = encoding_of(file, file_name)
    reader = _MarkdownReader() if is_markdown else _TextReader()
    with TextFile(file, encoding.codec).opened("\n") as text:
        while line := text.readline(_LINE_CHARACTERS):
            yield from reader.take(cleaned(line))
    yield from reader.end()


@dataclass
class _Reader:
    """Collects lines to paragraphs."""

    paragraph: str = ""

    def take(self, line: str) -> Iterator[Block]:
        """Add a line, or several, or a part of a long one."""
        for each in line.splitlines(keepends=True):
            if each.strip():
                yield from self.take_words(each)
            else:
                yield from self.flush()
        if len(self.paragraph) > _PARAGRAPH_CHARACTERS:
            yield from self._flush_sentences()

    def take_words(self, line: str) -> Iterator[Block]:
        """Add a line that is not blank."""
        self.paragraph += line
        yield from ()

    def flush(self) -> Iterator[Block]:
        """The paragraph is over."""
        text, self.paragraph = self.paragraph, ""
        if text.strip():
            yield from self.make(text)

    def make(self, text: str) -> Iterator[Block]:
        raise NotImplementedError

    def end(self) -> Iterator[Block]:
        """The file is over."""
        yield from self.flush()

    def _flush_sentences(self) -> Iterator[Block]:
        at = max(self.paragraph.rfind(end) for end in _SENTENCE_ENDS) + 1
        text, rest = (self.paragraph[:at], self.paragraph[at:]) if at else (self.paragraph, "")
        self.paragraph = text
        yield from self.flush()
        self.paragraph = rest


@dataclass
class _TextReader(_Reader):
    """Paragraphs of plain text."""

    heading: str = ""
    is_pending: bool = False
    """The heading has no text yet."""

    def make(self, text: str) -> Iterator[Block]:
        heading = _heading(text)
        if not heading:
            self.is_pending = False
            yield Block(text, self.heading)
            return
        # Two in a row: the first one was no heading.
        yield from self._pending()
        self.heading, self.is_pending = label(heading), True

    def end(self) -> Iterator[Block]:
        yield from self.flush()
        yield from self._pending()

    def _pending(self) -> Iterator[Block]:
        if self.is_pending:
            self.is_pending = False
            yield Block(self.heading)


def _heading(paragraph: str) -> str:
    """The words of a paragraph that is a heading; empty for others."""
    lines = paragraph.strip().splitlines()
    if len(lines) == 2 and _UNDERLINE.fullmatch(lines[1]):
        lines.pop()
    line = lines[0]
    is_short = len(lines) == 1 and len(line) <= _HEADING_CHARACTERS and len(line.split()) <= _HEADING_WORDS
    is_heading = is_short and line[-1] not in _NOT_LAST_OF_HEADING and any(map(str.isalpha, line))
    return line if is_heading else ""


@dataclass
class _MarkdownReader(_Reader):
    """Paragraphs of Markdown."""

    headings: list[str] = field(default_factory=list)
    """By level, empty where one is missing."""
    is_pending: bool = False
    """The last heading has no text yet."""
    is_code: bool = False

    def take_words(self, line: str) -> Iterator[Block]:
        if _FENCE.match(line):
            self.is_code = not self.is_code
        found = None if self.is_code else _MARKDOWN_HEADING.fullmatch(line.strip())
        if found:
            yield from self.flush()
            yield from self._begin(len(found[1]), found[2])
        elif not self.is_code and self.paragraph.count("\n") == 1 and _UNDERLINE.fullmatch(line.strip()):
            title, self.paragraph = self.paragraph, ""
            yield from self._begin(1 if line.strip()[0] == "=" else 2, title)
        else:
            self.paragraph += line

    def make(self, text: str) -> Iterator[Block]:
        self.is_pending = False
        yield Block(text, joined_headings(self.headings))

    def end(self) -> Iterator[Block]:
        yield from self.flush()
        yield from self._pending()

    def _begin(self, level: int, title: str) -> Iterator[Block]:
        if level <= len(self.headings):
            yield from self._pending()
        self.headings = [*self.headings[: level - 1], *[""] * (level - 1 - len(self.headings)), label(title)]
        self.is_pending = True

    def _pending(self) -> Iterator[Block]:
        """A heading that nothing stands below is what the file says."""
        if self.is_pending and self.headings[-1]:
            yield Block(self.headings[-1], joined_headings(self.headings[:-1]))
        self.is_pending = False
