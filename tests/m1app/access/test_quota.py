"""A person who has as many as they may have is refused one more, and nobody else is."""

import pytest

from m1app.access.errors import QuotaReached
from m1app.access.person import Person, acting_as
from m1app.access.quota import Quota
from storage.people.records import Role

ANNA = Person("1", Role.ANNOTATOR, "anna", "10.0.0.1")
BEN = Person("2", Role.ANNOTATOR, "ben", "10.0.0.1")


def local(address: str) -> Person:
    return Person("local", Role.REVIEWER, address=address)


@pytest.mark.parametrize(("many", "other"), [(ANNA, BEN), (local("10.0.0.1"), local("10.0.0.2"))])
def test_one_persons_places_are_not_anothers(many: Person, other: Person) -> None:
    quota = Quota(2, "You have two.")
    with acting_as(many), quota.place(), quota.place():
        with pytest.raises(QuotaReached, match=r"You have two\."), quota.place():
            pass
        with acting_as(other), quota.place():
            pass
    with acting_as(many), quota.place(), quota.place():
        pass


def test_what_is_held_counts_until_it_is_released_whoever_releases_it() -> None:
    quota = Quota(1, "You have one.")
    with acting_as(ANNA):
        release = quota.hold()
        with pytest.raises(QuotaReached), quota.place():
            pass
    with acting_as(BEN):
        release()
    with acting_as(ANNA), quota.place():
        pass
