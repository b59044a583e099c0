"""The stream splitter, fed every awkward split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.thinking.think_parser import Delta, ThinkParser

STOP = 7
HEADING = "## Final Response"


def feed_all(parser: ThinkParser, chunks: list[tuple[str, tuple[int, ...]]]) -> Delta:
    deltas = [parser.feed(text, ids) for text, ids in chunks]
    deltas.append(parser.flush())
    return Delta("".join(d.text for d in deltas), tuple(i for d in deltas for i in d.token_ids))


def test_text_and_ids_pass_at_once_when_nothing_is_undecided() -> None:
    parser = ThinkParser((STOP,))
    assert parser.feed("Hello", (1,)) == Delta("Hello", (1,))
    assert not parser.has_ended


def test_stop_token_ends_the_segment_and_is_not_part_of_it() -> None:
    parser = ThinkParser((STOP,))
    assert feed_all(parser, [("a", (1,)), ("", (STOP,)), ("after", (2,))]) == Delta("a", (1,))
    assert parser.has_ended


def test_visible_spelling_of_a_stop_token_is_not_part_of_the_segment() -> None:
    parser = ThinkParser((STOP,), stop_token_texts=("</think>",))
    assert feed_all(parser, [("done</think>\n", (1, STOP, 2))]) == Delta("done", (1,))


def test_lone_visible_stop_token_gives_no_text() -> None:
    parser = ThinkParser((STOP,), stop_token_texts=("</think>",))
    assert feed_all(parser, [("x", (1,)), ("</think>", (STOP,))]) == Delta("x", (1,))


@pytest.mark.parametrize("cut", range(1, len(HEADING)))
def test_stop_text_is_found_wherever_chunks_cut_it(cut: int) -> None:
    parser = ThinkParser(stop_texts=(HEADING,))
    chunks = [("thought\n", (1,)), (HEADING[:cut], (2,)), (HEADING[cut:], (3,)), ("B", (4,))]
    assert feed_all(parser, chunks) == Delta("thought\n", (1,))
    assert parser.has_ended


@pytest.mark.parametrize("cut", range(1, len(HEADING)))
def test_beginning_of_a_stop_text_that_comes_to_nothing_is_given_back(cut: int) -> None:
    parser = ThinkParser(stop_texts=(HEADING,))
    chunks = [("a ", (1,)), (HEADING[:cut], (2,)), ("!", (3,))]
    assert feed_all(parser, chunks) == Delta(f"a {HEADING[:cut]}!", (1, 2, 3))
    assert not parser.has_ended


def test_undecided_text_is_held_back_until_it_is_decided() -> None:
    parser = ThinkParser(stop_texts=(HEADING,))
    assert parser.feed("## Fin", (1,)) == Delta("", ())
    assert parser.feed("ite", (2,)) == Delta("## Finite", (1, 2))


def test_longer_stop_text_wins_over_the_one_inside_it() -> None:
    parser = ThinkParser(stop_texts=("\n\n## Final", "## Final"))
    assert feed_all(parser, [("end", (1,)), ("\n\n", (2,)), ("##", (3,)), (" Final", (4,))]) == Delta("end", (1,))


def test_chunk_that_shares_a_token_with_the_stop_text_is_dropped_whole() -> None:
    parser = ThinkParser(stop_texts=(HEADING,))
    assert feed_all(parser, [("a", (1,)), ("b ##", (2,)), (" Final Response", (3,))]) == Delta("a", (1,))


def test_unknown_end_of_sequence_token_in_a_silent_chunk_is_dropped() -> None:
    """llama.cpp: the token comes without text, the stop after it without a token."""
    parser = ThinkParser((STOP,))
    assert parser.feed("a", (1,)) == Delta("a", (1,))
    assert parser.feed("", (2,)) == Delta("", ())
    assert parser.feed("", (), is_stop=True) == Delta("", ())
    assert parser.flush() == Delta("", ())
    assert parser.has_ended


def test_unknown_end_of_sequence_token_with_the_stop_is_dropped() -> None:
    """vLLM: token and stop come together."""
    parser = ThinkParser((STOP,))
    assert parser.feed("a", (1, 2), is_stop=True) == Delta("a", (1,))


def test_silent_chunk_of_an_unfinished_character_is_kept() -> None:
    parser = ThinkParser((STOP,))
    assert parser.feed("", (1,)) == Delta("", ())
    assert parser.feed("é", (2,)) == Delta("é", (1, 2))


@given(
    words=st.lists(st.text(st.sampled_from("#F R\nab"), max_size=4), max_size=12),
    has_stop=st.booleans(),
)
def test_nothing_is_lost_or_made_up_whatever_the_chunks(words: list[str], has_stop: bool) -> None:
    stop = "## F"
    chunks = [(word, (i,)) for i, word in enumerate([*words, stop] if has_stop else words)]
    whole = "".join(text for text, _ in chunks)
    parser = ThinkParser(stop_texts=(stop,))
    result = feed_all(parser, chunks)
    kept = whole.partition(stop)[0]
    assert kept.startswith(result.text)
    assert result.token_ids == tuple(range(len(result.token_ids)))
    assert result.text == "".join(text for text, _ in chunks[: len(result.token_ids)])
    if stop not in whole:
        assert result.text == whole
        assert len(result.token_ids) == len(chunks)
