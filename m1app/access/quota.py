"""How much of something each person may have at once, so that one person leaves room for the others."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from m1app.access.errors import QuotaReached
from m1app.access.person import current_person


class Quota:
    """Counts what each person has."""

    def __init__(self, limit: int, refusal: str) -> None:
        """Args:
        limit: the most that a person may have at once.
        refusal: message for whoever wants more.
        """
        self._limit = limit
        self._refusal = refusal
        self._held: Counter[str] = Counter()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Count one more for the current person during the block; raises QuotaReached if they have too many."""
        if self._held[holder()] >= self._limit:
            raise QuotaReached(self._refusal)
        release = self.hold()
        try:
            yield
        finally:
            release()

    def hold(self) -> Callable[[], None]:
        """Count one more for the current person, whatever they have; return the function that takes it back."""
        person = holder()
        self._held[person] += 1

        def release() -> None:
            self._held[person] -= 1
            if not self._held[person]:
                del self._held[person]

        return release


def holder() -> str:
    """Whom a quota counts: the account; without one, the address."""
    person = current_person()
    return person.account_id or f"{person.id} {person.address}"
