"""The words of questions, and the files that have them; `page/words.test.js` reads the same table."""

import json
from pathlib import Path

import pytest

from m1app.publishing.search_words import SHARDS, WordIndex, shard_of, words_of

TABLE = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["text"][:20])
def test_words_are_those_of_the_table(case: dict[str, object]) -> None:
    assert list(words_of(str(case["text"]))) == case["words"]
    assert [shard_of(word) for word in words_of(str(case["text"]))] == case["shards"]


def test_words_with_the_same_beginning_share_a_file() -> None:
    assert shard_of("cortisol") == shard_of("co") == shard_of("cough")
    assert shard_of("c") != shard_of("co")
    assert 0 <= shard_of("\U0001f9ec") < SHARDS


def test_an_index_has_the_questions_of_each_word_as_differences() -> None:
    index = WordIndex()
    for number, texts in ((0, ["cough and fever"]), (3, ["Cough, cough"]), (7, ["fever"])):
        index.add(number, texts)
    found = {word: places for _, words in index.shards() for word, places in words.items()}
    assert found == {"cough": [0, 3], "fever": [0, 7], "and": [0]}
    assert all(shard_of(word) == shard for shard, words in index.shards() for word in words)
