"""How pages and commands say what was found in a question."""

from collections.abc import Mapping, Sequence

from m1app.privacy.identifiers import Finding, IdentifierKind, count_kinds
from m1app.wording import counted

_WORDS = {
    IdentifierKind.EMAIL: ("e-mail address", "e-mail addresses"),
    IdentifierKind.WEB_ADDRESS: ("web address", "web addresses"),
    IdentifierKind.IP_ADDRESS: ("IP address", "IP addresses"),
    IdentifierKind.NATIONAL_ID: ("national identification number", "national identification numbers"),
    IdentifierKind.RECORD_NUMBER: ("record number", "record numbers"),
    IdentifierKind.BANK_ACCOUNT: ("bank account", "bank accounts"),
    IdentifierKind.PAYMENT_CARD: ("payment card", "payment cards"),
    IdentifierKind.DATE: ("full date", "full dates"),
    IdentifierKind.PHONE: ("phone number", "phone numbers"),
    IdentifierKind.AGE: ("age over 89", "ages over 89"),
    IdentifierKind.NAME: ("possible name", "possible names"),
}
_MOST_EXCERPTS = 8
NOT_EVERYTHING = "Most names and addresses are not recognised: read the question yourself."


def kinds_text(counts: Mapping[IdentifierKind, int]) -> str:
    """As "2 full dates, 1 phone number"."""
    return ", ".join(counted(number, *_WORDS[kind]) for kind, number in counts.items())


def findings_text(findings: Sequence[Finding]) -> str:
    """What was found with masked excerpts, for beside the question; empty if nothing was."""
    if not findings:
        return ""
    shown = [f"{_WORDS[each.kind][0]} {each.excerpt}" for each in findings[:_MOST_EXCERPTS]]
    more = len(findings) - len(shown)
    rest = f", and {more} more" if more > 0 else ""
    return f"This may identify a person: {', '.join(shown)}{rest}. {NOT_EVERYTHING}"


def refusal_text(findings: Sequence[Finding], *, may_run_anyway: bool) -> str:
    """Why a question was not sent, and what to do."""
    found = f"The question was not sent. It may identify a person: {kinds_text(count_kinds(findings))}."
    if may_run_anyway:
        return f"{found} Remove this, or run it anyway; the audit log then records that you did, without the text."
    return f"{found} Remove this, then run it. M1_IDENTIFIERS=block does not allow such questions to be sent."


def set_text(name: str, found: Sequence[Sequence[Finding]], *, checked: int) -> str:
    """How many questions of a set may identify a person; empty if none do.

    Args:
        name: the set's name.
        found: the findings of each of its questions.
        checked: how many of its first questions were checked; 0 if all were.
    """
    questions = sum(map(bool, found))
    if not questions:
        return ""
    kinds = kinds_text(count_kinds(each for some in found for each in some))
    among = f" among its first {checked:,}" if checked else ""
    return (
        f"{name}: {counted(questions, 'question')}{among} may identify a person ({kinds}). They were imported "
        "unchanged. Check them before you use the set."
    )


def blocked_row_text(name: str, number: int, findings: Sequence[Finding]) -> str:
    """Why a set is not imported, because of the question with this number in it, and what to do."""
    return (
        f"{name}: question {number:,} may identify a person ({kinds_text(count_kinds(findings))}). Nothing was "
        "imported. Remove these details from this question and any others, then import the file again. "
        "M1_IDENTIFIERS=block does not allow them to be stored."
    )


def counts_text(counts: Mapping[str, int]) -> str:
    """Counts by kind of record, as "3 traces, 1 question"; "nothing" if there are none.

    Kinds that begin with "renamed_" follow by themselves: "1 account; kept under a pseudonym: 3 annotations".
    """
    removed = {kind.removeprefix("removed_"): number for kind, number in counts.items() if "renamed_" not in kind}
    renamed = {kind.removeprefix("renamed_"): number for kind, number in counts.items() if "renamed_" in kind}
    kept = f"; kept under a pseudonym: {_listed(renamed)}" if any(renamed.values()) else ""
    return (_listed(removed) or "nothing") + kept


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(
        counted(number, kind.replace("_", " ").removesuffix("s")) for kind, number in counts.items() if number
    )
