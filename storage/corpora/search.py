"""Search of passages: BM25 in SQLite's FTS5; in PostgreSQL the weights of the terms found, then `ts_rank_cd`.

Both take the same terms (`terms.py`) and stem English words: Porter's stemmer in SQLite, Snowball's in PostgreSQL. So
they find the same passages, in an order that may differ. PostgreSQL's ranking knows nothing of rare words, hence the
sum of inverse document frequencies comes first, and its ranking by nearness decides among the best.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, Float, String, TextClause, bindparam, text
from sqlalchemy.orm import Session

from storage.corpora.terms import Term, postgresql_query, sqlite_query

_HEADING_WEIGHT = 2.0
_POOL = 200
"""How many of the best are ranked by nearness."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a search looks."""

    corpus_ids: tuple[str, ...]
    has_facts: bool = False
    """Whether corrected facts of annotations are searched too."""
    excluded_questions: tuple[str, ...] = ()
    """Ids of questions: facts that somebody wrote on one of these are not found, nor the same words from elsewhere."""


def found_numbers(
    session: Session, terms: Sequence[Term], scope: Scope, limit: int, offset: int = 0
) -> list[tuple[int, float]]:
    """Numbers of the passages that fit the terms best, each with its score; higher is better."""
    if not terms or not (scope.corpus_ids or scope.has_facts):
        return []
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    values = {"limit": limit, "offset": offset}
    visible, scope_values = _visible(scope, "passage_index.rowid" if is_sqlite else "hit.number")
    if is_sqlite:
        statement = text(_SQLITE.format(visible=visible, weight=_HEADING_WEIGHT))
        # Ranking every passage of common words takes long; those that have all of them are better anyway.
        joins = (" AND ", " OR ") if terms[0].is_common else (" OR ",)
        for join in joins:
            query = join.join(f"({sqlite_query(each.spellings)})" for each in terms)
            rows = session.execute(statement, values | scope_values | {"query": query}).all()
            if rows:
                break
    else:
        rows = session.execute(
            _postgresql(visible), values | scope_values | _postgresql_values(session, terms, limit + offset)
        ).all()
    return [(row.number, row.score) for row in rows]


def _visible(scope: Scope, number: str) -> tuple[str, dict[str, object]]:
    """A condition on a passage's number, and its values; no statement here names a table that can be in the trash."""
    values: dict[str, object] = {}
    conditions = []
    if scope.corpus_ids:
        names = _named("corpus", scope.corpus_ids, values)
        conditions.append(
            f"EXISTS (SELECT 1 FROM corpus_passage AS place WHERE place.passage_number = {number} "
            f"AND place.corpus_id IN ({names}))"
        )
    if scope.has_facts:
        conditions.append(_visible_fact(scope, number, values))
    return f"({' OR '.join(conditions)})", values


def _visible_fact(scope: Scope, number: str, values: dict[str, object]) -> str:
    """A fact that still counts; the annotation's own state decides, so that one withdrawn just now is not found."""
    condition = (
        "EXISTS (SELECT 1 FROM fact_passage AS fact JOIN annotation ON annotation.id = fact.annotation_id "
        f"WHERE fact.passage_number = {number} AND annotation.state IN ('submitted', 'adjudicated') "
        "AND (annotation.is_upheld IS NULL OR annotation.is_upheld) AND annotation.revision = fact.revision)"
    )
    if not scope.excluded_questions:
        return condition
    names = _named("question", scope.excluded_questions, values)
    return (
        f"({condition} AND NOT EXISTS (SELECT 1 FROM fact_passage AS own WHERE own.passage_number = {number} "
        f"AND own.question_id IN ({names})))"
    )


def _named(prefix: str, given: Sequence[str], values: dict[str, object]) -> str:
    """Placeholders of some values, which are added to `values`."""
    names = {f"{prefix}_{index}": each for index, each in enumerate(given)}
    values |= names
    return ", ".join(f":{name}" for name in names)


def _postgresql(visible: str) -> TextClause:
    return text(_POSTGRESQL.format(visible=visible)).bindparams(
        bindparam("queries", type_=ARRAY(String)), bindparam("weights", type_=ARRAY(Float))
    )


def _postgresql_values(session: Session, terms: Sequence[Term], wanted: int) -> dict[str, object]:
    total = session.execute(text("SELECT coalesce(max(number), 0) FROM passage_index")).scalar_one()
    queries = [postgresql_query(each.spellings) for each in terms]
    return {
        "queries": queries,
        "weights": [each.weight(total) for each in terms],
        "all_terms": " | ".join(queries),
        "pool": max(_POOL, wanted),
    }


_SQLITE = """
    SELECT rowid AS number, -rank AS score FROM passage_index
    WHERE passage_index MATCH :query AND rank MATCH 'bm25({weight}, 1.0)' AND {visible}
    ORDER BY rank LIMIT :limit OFFSET :offset
"""
_POSTGRESQL = """
    WITH term AS (
        SELECT to_tsquery('english', query) AS query, weight
        FROM unnest(CAST(:queries AS text[]), CAST(:weights AS float8[])) AS given (query, weight)
    ), hit AS (
        SELECT passage_index.number, sum(term.weight) AS weight
        FROM term JOIN passage_index ON passage_index.words @@ term.query GROUP BY passage_index.number
    ), best AS (
        SELECT hit.number, hit.weight FROM hit WHERE {visible} ORDER BY hit.weight DESC, hit.number LIMIT :pool
    )
    SELECT best.number, best.weight + ts_rank_cd(words, to_tsquery('english', :all_terms), 33) AS score
    FROM best JOIN passage_index ON passage_index.number = best.number
    ORDER BY score DESC, best.number LIMIT :limit OFFSET :offset
"""
