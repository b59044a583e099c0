"""Whether the texts of a question set may be published.

What a set may be used for is not stored with it, so it follows from where the set came from: from a repository on the
hub whose licence is known (`licences.toml`), or with the app. Everything else is of unknown licence.
"""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from m1app.publishing.errors import PublishRefused
from m1app.question_sets.hub import HUB_PLACE
from m1app.question_sets.typed_sets import LIBRARY, TYPED
from storage.database import Session
from storage.question_sets.records import QuestionSet
from storage.question_sets.repository import QuestionSetRepository

_UNKNOWN = "its licence is unknown"
_OWN_LICENCE = "Apache 2.0"
"""Of the questions that come with the app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTerms:
    """What of a question set is published."""

    name: str
    licence: str
    """Empty if it is unknown."""
    has_texts: bool
    """Whether its questions, and what models wrote about them, are published."""
    reason: str
    """Why, as the end of a sentence."""
    is_own: bool
    """Whether it comes from people here, a file or pasted text: its questions may describe patients."""


class _KnownSet(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    repo: str
    licence: str
    source: str
    """Where the licence is stated."""
    allows_texts: bool
    note: str = ""


@cache
def _known_sets() -> dict[str, _KnownSet]:
    """By repository, in lower case."""
    content = Path(__file__).with_name("licences.toml").read_bytes().decode("utf-8")
    found = [_KnownSet.model_validate(each) for each in tomllib.loads(content)["set"]]
    return {each.repo.casefold(): each for each in found}


def terms_of_sets(
    session: Session, asked: Mapping[str, Collection[str]], allowed: Collection[str]
) -> tuple[SetTerms, ...]:
    """The terms of sets, by name.

    Args:
        session: the database.
        asked: the sets of the runs, each with the ids of its questions.
        allowed: sets whose texts may be published because the person who publishes them says so.

    Raises:
        PublishRefused: a set is allowed that is none of these.
    """
    if unknown := [name for name in allowed if name not in asked]:
        raise PublishRefused(
            f"Question set {unknown[0]!r} is in none of these runs, so its texts cannot be included. "
            f"Sets of these runs: {', '.join(asked)}."
        )
    return tuple(
        terms_of(name, stored_set(session, name, ids), is_allowed=name in allowed) for name, ids in asked.items()
    )


def stored_set(session: Session, name: str, question_ids: Collection[str]) -> QuestionSet | None:
    """The set of this name if it has all of these questions.

    A name is free again once its set is deleted: a licence is not that of what was asked under the name before.
    """
    sets = QuestionSetRepository(session)
    kept = sets.find(name)
    return kept if kept is not None and sets.has_all(kept.id, question_ids) else None


def terms_of(name: str, kept: QuestionSet | None, *, is_allowed: bool) -> SetTerms:
    """The terms of one set.

    Args:
        name: as the runs call it.
        kept: the set; None if it is not stored any more.
        is_allowed: whether the person who publishes it says that its texts may be shown.
    """
    known = _known_of(kept)
    is_own = known is None and (kept is None or not kept.source.startswith(HUB_PLACE))
    licence = known.licence if known else ""
    if is_allowed:
        return SetTerms(
            name=name,
            licence=licence,
            has_texts=True,
            reason="the maker of this site states that they may be shown",
            is_own=is_own,
        )
    if known is None:
        reason = _UNKNOWN + _where_from(kept)
        return SetTerms(name=name, licence="", has_texts=False, reason=reason, is_own=is_own)
    reason = f"its licence is {known.licence}" + (f", but {known.note}" if known.note else "")
    return SetTerms(name=name, licence=licence, has_texts=known.allows_texts, reason=reason, is_own=False)


def _known_of(kept: QuestionSet | None) -> _KnownSet | None:
    if kept is None:
        return None
    if kept.layout == LIBRARY:
        return _KnownSet(repo="", licence=_OWN_LICENCE, source="LICENSE", allows_texts=True)
    if not kept.source.startswith(HUB_PLACE):
        return None
    repo = kept.source.removeprefix(HUB_PLACE).split(" ")[0]
    return _known_sets().get(repo.casefold())


def _where_from(kept: QuestionSet | None) -> str:
    if kept is None:
        return ": the set is no longer stored here"
    if kept.layout == TYPED:
        return ": it was pasted here"
    if kept.source.startswith(HUB_PLACE):
        return ""
    return ": it was imported from a file"
