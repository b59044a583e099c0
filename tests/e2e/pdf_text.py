"""The text of a PDF that Chromium has made: enough of the format to see what is on the paper, and nothing more.

Chromium writes plain objects, compressed streams, and a map from glyphs to characters for every font.
"""

import re
import zlib

_OBJECT = re.compile(rb"(\d+) 0 obj\n?(.*?)endobj", re.DOTALL)
_STREAM = re.compile(rb"(.*?/Length (\d+).*?)stream\r?\n", re.DOTALL)
_FONT_NAME = re.compile(rb"/(F\d+) (\d+) 0 R")
_TO_UNICODE = re.compile(rb"/ToUnicode (\d+) 0 R")
_TEXT = re.compile(rb"/(F\d+) [\d.]+ Tf|<([0-9A-Fa-f]*)>|\((?:[^\\()]|\\.)*\)\s*T[jJ]")
_CHARACTERS = re.compile(r"beginbfchar(.*?)endbfchar", re.DOTALL)
_RANGES = re.compile(r"beginbfrange(.*?)endbfrange", re.DOTALL)
_PAIR = re.compile(r"<(\w+)>\s*<(\w+)>")
_RANGE = re.compile(r"<(\w+)>\s*<(\w+)>\s*<(\w+)>")


def words_on_paper(pdf: bytes) -> str:
    """All characters in the order in which they are drawn, without white space."""
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    streams = {number: _inflated(body) for number, body in objects.items() if _STREAM.match(body)}
    fonts = {}
    for name, number in {pair for body in objects.values() for pair in _FONT_NAME.findall(body)}:
        if found := _TO_UNICODE.search(objects[int(number)]):
            fonts[name] = _glyphs(streams[int(found[1])].decode("latin-1"))
    drawn = [_drawn(stream, fonts) for _, stream in sorted(streams.items()) if b" Tf" in stream]
    return "".join("".join(drawn).split())


def count_pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


def _inflated(body: bytes) -> bytes:
    found = _STREAM.match(body)
    assert found
    data = body[found.end() : found.end() + int(found[2])]
    return zlib.decompress(data) if b"/FlateDecode" in found[1] else data


def _glyphs(cmap: str) -> dict[int, str]:
    glyphs = {}
    for block in _CHARACTERS.findall(cmap):
        glyphs |= {int(glyph, 16): _decoded(text) for glyph, text in _PAIR.findall(block)}
    for block in _RANGES.findall(cmap):
        for first, last, text in _RANGE.findall(block):
            begin = int(first, 16)
            for glyph in range(begin, int(last, 16) + 1):
                glyphs[glyph] = chr(ord(_decoded(text)) + glyph - begin)
    return glyphs


def _decoded(hexadecimal: str) -> str:
    return bytes.fromhex(hexadecimal).decode("utf-16-be")


def _drawn(stream: bytes, fonts: dict[bytes, dict[int, str]]) -> str:
    glyphs: dict[int, str] = {}
    text = []
    for found in _TEXT.finditer(stream):
        if found[1]:
            glyphs = fonts.get(found[1], {})
        elif found[2]:
            codes = (int(found[2][at : at + 4], 16) for at in range(0, len(found[2]), 4))
            text.append("".join(glyphs.get(code, "\ufffd") for code in codes))
    return "".join(text)
