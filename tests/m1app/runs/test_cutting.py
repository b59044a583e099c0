"""Where a thinking is cut, on its stored tokens."""

from dataclasses import replace

import pytest

from m1app.runs.cutting import cut_before
from m1app.runs.errors import CutRefused
from storage.traces.records import Segment, SegmentKind


class Pieces:
    """Spells each token as a piece of text; pieces of a character are bytes."""

    def __init__(self, *pieces: str | bytes, drops_space: bool = False) -> None:
        self.pieces = [each if isinstance(each, bytes) else each.encode() for each in pieces]
        self.drops_space = drops_space

    async def detokenize(self, token_ids):
        text = b"".join(self.pieces[each] for each in token_ids).decode(errors="replace")
        return text.removeprefix(" ") if self.drops_space else text


def think(text: str, *ids: int, kind: SegmentKind = SegmentKind.THINK) -> Segment:
    return Segment(kind=kind, text=text, token_ids=ids, token_count=len(ids))


ENGINE = Pieces("The", " heart", " is", " f", "ine", ".", " Wait", ",")
SEGMENTS = (
    think("The heart is fine.", 0, 1, 2, 3, 4, 5),
    think(" Wait", 6, kind=SegmentKind.WAIT),
    think(", fine", 7, 3, 4),
)


@pytest.mark.parametrize(
    ("start", "ids", "text", "waits"),
    [
        (0, (), "", 0),
        (2, (), "", 0),
        (3, (0,), "The", 0),
        (4, (0,), "The", 0),
        (9, (0, 1), "The heart", 0),
        (15, (0, 1, 2, 3), "The heart is f", 0),
        (16, (0, 1, 2, 3), "The heart is f", 0),
        (18, (0, 1, 2, 3, 4, 5), "The heart is fine.", 0),
        (19, (0, 1, 2, 3, 4, 5), "The heart is fine.", 0),
        (23, (0, 1, 2, 3, 4, 5, 6), "The heart is fine. Wait", 1),
        (25, (0, 1, 2, 3, 4, 5, 6, 7), "The heart is fine. Wait,", 1),
    ],
)
async def test_the_cut_is_the_last_border_of_tokens_before_the_mark(start, ids, text, waits):
    kept = await cut_before(ENGINE, SEGMENTS, start)
    assert (kept.token_ids, kept.text_before, kept.characters, len(kept.waits)) == (ids, text, len(text), waits)


async def test_what_is_kept_is_open_and_has_the_kinds_of_its_segments():
    kept = await cut_before(ENGINE, SEGMENTS, 23)
    assert [each.kind for each in kept.segments] == [SegmentKind.THINK, SegmentKind.WAIT]
    natural = [replace(SEGMENTS[0], finish_reason="natural", delimiter_ids=(9,))]
    (only,) = (await cut_before(ENGINE, natural, 18)).segments
    assert (only.text, only.finish_reason, only.delimiter_ids) == ("The heart is fine.", None, ())


async def test_a_border_inside_of_a_character_is_none():
    heart = "\U0001fac0".encode()
    engine = Pieces("A ", heart[:2], heart[2:], " heart")
    segment = think("A \U0001fac0 heart", 0, 1, 2, 3)
    assert (await cut_before(engine, [segment], 2)).token_ids == (0,)
    assert (await cut_before(engine, [segment], 3)).token_ids == (0, 1, 2)


async def test_an_engine_that_leaves_out_the_first_space_is_understood():
    engine = Pieces(" The", " heart", drops_space=True)
    kept = await cut_before(engine, [think(" The heart", 0, 1)], 5)
    assert (kept.token_ids, kept.text_before) == ((0,), " The")


async def test_only_the_end_of_a_long_text_is_kept():
    kept = await cut_before(Pieces("a" * 1000, "b"), [think("a" * 1000 + "b", 0, 1)], 1000)
    assert (kept.text_before, kept.characters) == ("a" * 400, 1000)


async def test_stored_tokens_that_no_longer_spell_the_stored_text_are_refused():
    changed = Pieces("The", " liver", " is", " f", "ine", ".", " Wait", ",")
    with pytest.raises(CutRefused, match="its tokenizer has changed"):
        await cut_before(changed, SEGMENTS, 9)


async def test_a_thinking_without_the_ids_of_all_tokens_is_refused():
    withheld = Segment(kind=SegmentKind.THINK, text="The heart", token_ids=(0,), token_count=2)
    with pytest.raises(CutRefused, match="did not report the ids of some tokens"):
        await cut_before(ENGINE, [withheld], 4)
