"""Whether the texts of a set may be published, by where it came from."""

from datetime import UTC, datetime

import pytest

from m1app.publishing.licences import _known_sets, terms_of
from m1app.question_sets import hub
from m1app.question_sets.typed_sets import LIBRARY, TYPED
from storage.question_sets.records import QuestionSet


def a_set(source: str, layout: str = "m1") -> QuestionSet:
    return QuestionSet(
        id="s" * 32, name="Set", source=source, layout=layout, sha256="", created_at=datetime.now(UTC), question_count=1
    )


@pytest.mark.parametrize(
    ("kept", "has_texts", "is_own", "reason"),
    [
        (a_set("hub:openlifescienceai/medmcqa validation"), True, False, "its licence is Apache 2.0"),
        (a_set("hub:OpenLifeScienceAI/MedMCQA"), True, False, "its licence is Apache 2.0"),
        (a_set("hub:Idavidrein/gpqa gpqa_main train"), False, False, "its licence is CC BY 4.0, but its authors ask"),
        (a_set("hub:somebody/questions"), False, False, "its licence is unknown"),
        (a_set("medmcqa.json"), False, True, "its licence is unknown: it was imported from a file"),
        (a_set("openlifescienceai/medmcqa"), False, True, "its licence is unknown: it was imported from a file"),
        (a_set("pasted questions", TYPED), False, True, "its licence is unknown: it was pasted here"),
        (a_set("question library", LIBRARY), True, False, "its licence is Apache 2.0"),
        (None, False, True, "its licence is unknown: the set is no longer stored here"),
    ],
)
def test_terms_follow_from_the_source(kept: QuestionSet | None, has_texts: bool, is_own: bool, reason: str) -> None:
    found = terms_of("Set", kept, is_allowed=False)
    assert (found.has_texts, found.is_own) == (has_texts, is_own)
    assert found.reason.startswith(reason)


def test_whoever_publishes_a_set_may_say_that_its_texts_may_be_shown() -> None:
    own = terms_of("Set", a_set("ward.json"), is_allowed=True)
    assert (own.has_texts, own.is_own, own.licence) == (True, True, "")
    assert "the maker of this site states" in own.reason
    assert terms_of("Set", a_set("hub:Idavidrein/gpqa"), is_allowed=True).has_texts


def test_every_known_licence_is_of_a_repository_that_the_app_can_import() -> None:
    for repo in _known_sets():
        assert hub.hub_request(repo).repo.casefold() == repo
