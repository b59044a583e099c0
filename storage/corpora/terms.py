"""Which words of a text are worth searching for: the rarest ones in the index, without words that say nothing.

How often a word occurs is read from the full-text index itself: SQLite counts the entries of a word up to a limit,
PostgreSQL knows the most common words since the last ANALYZE and counts the others.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from sqlalchemy import text
from sqlalchemy.orm import Session

from storage.search import words_of
from storage.spellings import spellings_of

MAX_TERMS = 32
"""Terms of one search."""
COMMON_PASSAGES = 10_000
"""A word of more passages than this is common: how common is not counted further, and it is only searched for if the
text has no other words."""
MAX_WORDS = 400
"""Distinct words of a text that are looked at."""
_LEAST_TERMS = 3
_ENTRIES_PER_WORD = 1500
_LEAST_ENTRIES, _MOST_ENTRIES = 15_000, 60_000
"""Ranking takes one or two microseconds for each passage of each term, so their sum is bounded."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word to search for."""

    spellings: tuple[str, ...]
    """It and its other spellings: words as from `search.words_of`."""
    passages: int
    """How many have one of them; at most COMMON_PASSAGES + 1."""

    @property
    def is_common(self) -> bool:
        """Whether it says little."""
        return self.passages > COMMON_PASSAGES

    def weight(self, total: int) -> float:
        """Inverse document frequency as in BM25 (Robertson and Zaragoza 2009), always above 0.

        Args:
            total: number of passages in the index.
        """
        return math.log(1 + (max(total, self.passages) - self.passages + 0.5) / (self.passages + 0.5))


def telling_terms(session: Session, asked: str) -> tuple[Term, ...]:
    """Return the terms of a text to search for, the rarest first; none if no passage has any of its words."""
    words = _words(asked)
    spellings = {word: tuple(each.text for each in spellings_of(word)) for word in words}
    counts = _counts(session, spellings)
    known = [Term(spellings[word], counts[word]) for word in words if counts[word]]
    known = [term for term in known if not term.is_common] or known
    # Of equally common ones the longer word says more.
    known.sort(key=lambda term: (term.passages, -len(term.spellings[0]), term.spellings[0]))
    room = min(max(_LEAST_ENTRIES, _ENTRIES_PER_WORD * len(words)), _MOST_ENTRIES)
    chosen: list[Term] = []
    for term in known[:MAX_TERMS]:
        room -= term.passages
        if room < 0 and len(chosen) >= _LEAST_TERMS:
            break
        chosen.append(term)
    return tuple(chosen)


def _words(asked: str) -> list[str]:
    """Distinct words of a text; single letters, numbers and stop words only if it has nothing else."""
    words = list(dict.fromkeys(words_of(asked)))
    telling = [each for each in words if len(each) > 1 and not each.isdecimal() and each not in stop_words()]
    return (telling or words)[:MAX_WORDS]


@cache
def stop_words() -> frozenset[str]:
    """Words that are not searched for, from `stop_words.txt`."""
    lines = resources.files(__package__).joinpath("stop_words.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def _counts(session: Session, spellings: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """In how many passages each word is, up to COMMON_PASSAGES + 1."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    common = {} if is_sqlite else _common(session, spellings)
    count = text(_SQLITE_COUNT if is_sqlite else _POSTGRESQL_COUNT)
    query_of = sqlite_query if is_sqlite else postgresql_query
    return {
        word: common.get(word)
        or session.execute(count, {"query": query_of(each), "most": COMMON_PASSAGES + 1}).scalar_one()
        for word, each in spellings.items()
    }


def _common(session: Session, spellings: Mapping[str, Sequence[str]]) -> dict[str, int]:
    rows = session.execute(text(_POSTGRESQL_COMMON), {"words": list(spellings)})
    return {row.word: min(int(row.passages) or 1, COMMON_PASSAGES + 1) for row in rows}


def sqlite_query(spellings: Sequence[str]) -> str:
    """One of the spellings, for FTS5. The words have letters and digits only."""
    return " OR ".join(f'"{each}"' for each in spellings)


def postgresql_query(spellings: Sequence[str]) -> str:
    """The same for to_tsquery."""
    return " | ".join(f"'{each}'" for each in spellings)


_SQLITE_COUNT = """
    SELECT count(*) FROM (SELECT 1 FROM passage_index WHERE passage_index MATCH :query LIMIT :most)
"""
_POSTGRESQL_COUNT = """
    SELECT count(*) FROM (
        SELECT 1 FROM passage_index WHERE words @@ to_tsquery('english', :query) LIMIT :most) AS found
"""
_POSTGRESQL_COMMON = """
    WITH common AS (
        SELECT lexeme, share FROM pg_stats, unnest(
            CAST(CAST(most_common_elems AS text) AS text[]), most_common_elem_freqs) AS elems (lexeme, share)
        WHERE schemaname = current_schema() AND tablename = 'passage_index' AND attname = 'words'
        AND lexeme IS NOT NULL
    )
    SELECT given.word, max(common.share) * (
        SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = CAST('passage_index' AS regclass)) AS passages
    FROM unnest(CAST(:words AS text[])) AS given (word)
    JOIN common ON common.lexeme = ANY (tsvector_to_array(to_tsvector('english', given.word)))
    GROUP BY given.word
"""
