"""Checks questions for what may identify a person, before they are sent or stored.

Names are only guessed, so that a guess never blocks: it asks for a confirmation in either mode.
"""

from collections.abc import Iterable, Mapping, Sequence

from m1app.access.audit import record
from m1app.privacy.errors import IdentifiersFound
from m1app.privacy.identifiers import Finding, IdentifierKind, count_kinds, find_identifiers
from m1app.privacy.words import refusal_text
from m1app.settings import IdentifierMode
from storage.database import Session


class IdentifierCheck:
    """The check with the mode that M1_IDENTIFIERS chooses."""

    def __init__(self, mode: IdentifierMode = IdentifierMode.WARN) -> None:
        self.mode = mode

    def findings(self, texts: Iterable[str]) -> Sequence[Finding]:
        """What was found in a question's texts; nothing if the check is off."""
        if self.mode is IdentifierMode.OFF:
            return ()
        return tuple(found for text in texts for found in find_identifiers(text))

    def blocked(self, texts: Iterable[str]) -> Sequence[Finding]:
        """What forbids to store or send a question, whoever allows it; nothing unless the mode is to block."""
        return _certain(self.findings(texts)) if self.mode is IdentifierMode.BLOCK else ()

    def require(self, texts: Iterable[str], *, is_allowed: bool) -> Mapping[IdentifierKind, int]:
        """Return how many findings of each kind a person has allowed; empty without any.

        Args:
            texts: what will be sent and stored.
            is_allowed: whether the person has seen the warning and runs it anyway.

        Raises:
            IdentifiersFound: there are some, and they are not allowed.
        """
        found = self.findings(texts)
        is_blocked = self.mode is IdentifierMode.BLOCK and bool(_certain(found))
        if found and (is_blocked or not is_allowed):
            raise IdentifiersFound(refusal_text(found, may_run_anyway=not is_blocked), may_run_anyway=not is_blocked)
        return count_kinds(found)


def _certain(found: Iterable[Finding]) -> Sequence[Finding]:
    return tuple(each for each in found if each.kind is not IdentifierKind.NAME)


def record_allowed(session: Session, subject: str, allowed: Mapping[IdentifierKind, int]) -> None:
    """Note in the audit log that a question was run in spite of what was found: kinds and counts, no text."""
    if allowed:
        record(session, "identifiers.allow", subject, **{kind.value: number for kind, number in allowed.items()})
