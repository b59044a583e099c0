"""Finds what may identify a person in the text of a question: by patterns and check digits, without a language model.

The kinds follow the HIPAA Safe Harbor list (45 CFR 164.514(b)(2)). Names are found only after a title or "patient";
most names, and postal addresses, are not found. Presidio's recognisers work in the same way, but presidio-analyzer
2.2.366 installs spaCy and 50 other packages, hundreds of megabytes, for what remains of it without a model.

Exam vignettes should pass: laboratory values, doses, ages up to 89, ICD codes, PMIDs, DOIs and EC numbers.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from m1app.privacy.check_digits import is_ahv_number, is_iban, is_luhn, is_nhs_number

_SHOWN_CHARACTERS = 24
_CLEAR_CHARACTERS = 2


class IdentifierKind(StrEnum):
    """What was found."""

    EMAIL = "email"
    WEB_ADDRESS = "web_address"
    IP_ADDRESS = "ip_address"
    NATIONAL_ID = "national_id"
    RECORD_NUMBER = "record_number"
    BANK_ACCOUNT = "bank_account"
    PAYMENT_CARD = "payment_card"
    DATE = "date"
    PHONE = "phone"
    AGE = "age"
    NAME = "name"
    """A guess: capitalised words where a name would be."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a text that may identify a person."""

    kind: IdentifierKind
    start: int
    end: int
    """`start` and `end` are positions in code points; `end` is one past the last."""
    excerpt: str
    """Its first letters, the rest as dots: enough to find it, too little to identify anybody."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    kind: IdentifierKind
    expression: re.Pattern[str]
    is_real: Callable[[str], bool] = lambda _: True


def find_identifiers(text: str) -> tuple[Finding, ...]:
    """What may identify a person, in the order of the text; nothing overlaps."""
    found: list[Finding] = []
    for pattern in _PATTERNS:
        more = [
            Finding(pattern.kind, *match.span("found"), masked(match["found"]))
            for match in _free(pattern.expression.finditer(text), found)
            if pattern.is_real(match["found"])
        ]
        found = sorted([*found, *more], key=lambda each: each.start)
    return tuple(found)


def _free(matches: Iterable[re.Match[str]], taken: Sequence[Finding]) -> Iterator[re.Match[str]]:
    """Those matches that overlap nothing that is taken; both are in the order of the text."""
    following = 0
    for match in matches:
        start, end = match.span("found")
        while following < len(taken) and taken[following].end <= start:
            following += 1
        if following == len(taken) or end <= taken[following].start:
            yield match


def count_kinds(findings: Iterable[Finding]) -> Counter[IdentifierKind]:
    """How many findings of each kind."""
    return Counter(each.kind for each in findings)


def masked(text: str) -> str:
    """`text` with all but its first letters and digits as dots."""
    shown = 0

    def characters() -> Iterator[str]:
        nonlocal shown
        for character in text[:_SHOWN_CHARACTERS]:
            shown += character.isalnum()
            yield character if not character.isalnum() or shown <= _CLEAR_CHARACTERS else "•"

    return "".join(characters()) + ("…" if len(text) > _SHOWN_CHARACTERS else "")


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _has_digits(least: int, most: int, text: str) -> bool:
    return least <= len(_digits(text)) <= most


def _is_card(text: str) -> bool:
    digits = _digits(text)
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and is_luhn(digits)


def _is_ip_address(text: str) -> bool:
    parts = [int(part) for part in text.split(".")]
    # Numbers of sections and enzymes look the same, but are smaller.
    return max(parts) <= 255 and max(parts) >= 100


def _is_public(address: str) -> bool:
    host = re.sub(r"^(https?://)?(www\.)?", "", address.casefold()).split("/")[0]
    return host in _PUBLIC_HOSTS or host.endswith(tuple(f".{each}" for each in _PUBLIC_HOSTS))


_PUBLIC_HOSTS = (
    *("doi.org", "nih.gov", "who.int", "cdc.gov", "fda.gov", "europa.eu", "clinicaltrials.gov", "nice.org.uk"),
    *("pubmed.gov", "nejm.org", "thelancet.com", "bmj.com", "jamanetwork.com", "cochranelibrary.com", "arxiv.org"),
)
"""Addresses there lead to literature, not to a person."""

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_YEAR = r"(?:19|20)\d\d"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH_NUMBER = r"(?:0?[1-9]|1[0-2])"
_DATE = (
    rf"(?:{_YEAR}-{_MONTH_NUMBER}-{_DAY}|{_DAY}(?P<mark>[./-]){_DAY}(?P=mark){_YEAR}"
    rf"|{_DAY}(?:st|nd|rd|th)?(?: of)? {_MONTH},? {_YEAR}|{_MONTH} {_DAY}(?:st|nd|rd|th)?,? {_YEAR})"
)
_SHORT_DATE = rf"{_DAY}[./-]{_DAY}[./-](?:{_YEAR}|\d\d)"
_NO_NUMBER_BEFORE, _NO_NUMBER_AFTER = r"(?<![\w./-])", r"(?![\w/-]|\.\d)"
_NUMBER_WORD = r"(?:number|no\.?|nr\.?|id|#)"
_NAME = r"(?:[DO]['’])?[A-Z][a-zà-ÿ]+(?:['’-][A-Z][a-zà-ÿ]+)*"


def _of(kind: IdentifierKind, expression: str, is_real: Callable[[str], bool] = lambda _: True) -> _Pattern:
    return _Pattern(kind, re.compile(expression, re.IGNORECASE), is_real)


def _cased(kind: IdentifierKind, expression: str, is_real: Callable[[str], bool] = lambda _: True) -> _Pattern:
    return _Pattern(kind, re.compile(expression), is_real)


_PATTERNS = (
    _of(IdentifierKind.EMAIL, r"(?<![\w.+-])(?P<found>[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)"),
    _of(
        IdentifierKind.WEB_ADDRESS,
        r"(?P<found>\bhttps?://[^\s<>\"]{3,}|\bwww\.[\w-]+\.[^\s<>\"]{2,})",
        lambda text: not _is_public(text),
    ),
    _cased(
        IdentifierKind.BANK_ACCOUNT,
        r"\b(?P<found>[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)\b",
        lambda text: is_iban(text.replace(" ", "")),
    ),
    _of(
        IdentifierKind.NATIONAL_ID,
        rf"{_NO_NUMBER_BEFORE}(?P<found>756[ .]?\d{{4}}[ .]?\d{{4}}[ .]?\d{{2}}){_NO_NUMBER_AFTER}",
        lambda text: is_ahv_number(_digits(text)),
    ),
    _of(
        IdentifierKind.NATIONAL_ID,
        rf"{_NO_NUMBER_BEFORE}(?P<found>(?!000|666|9)\d{{3}}-(?!00)\d\d-(?!0000)\d{{4}}){_NO_NUMBER_AFTER}",
    ),
    _of(
        IdentifierKind.NATIONAL_ID,
        rf"\b(?:SSN|social security {_NUMBER_WORD})\W{{0,3}}(?:is )?(?P<found>\d{{3}}[ -]?\d\d[ -]?\d{{4}})\b",
    ),
    _of(
        IdentifierKind.NATIONAL_ID,
        rf"{_NO_NUMBER_BEFORE}(?P<found>\d{{3}}[ -]\d{{3}}[ -]\d{{4}}){_NO_NUMBER_AFTER}",
        lambda text: is_nhs_number(_digits(text)),
    ),
    _of(
        IdentifierKind.NATIONAL_ID,
        rf"\bNHS(?: {_NUMBER_WORD})?\W{{0,3}}(?:is )?(?P<found>\d{{3}}[ -]?\d{{3}}[ -]?\d{{4}})\b",
    ),
    _of(
        IdentifierKind.RECORD_NUMBER,
        rf"\b(?:MRN|URN|(?:(?:medical |health |patient |hospital |chart )?record|patient|hospital|chart|admission"
        rf"|insurance|account|accession|case) ?{_NUMBER_WORD})[\s:#=]{{0,4}}(?:is |was )?"
        r"(?P<found>[A-Z]{0,4}-?\d[\dA-Z./-]{3,19})\b",
    ),
    _of(
        IdentifierKind.PAYMENT_CARD,
        rf"{_NO_NUMBER_BEFORE}(?P<found>[3-6]\d{{3}}(?:[ -]?\d){{9,15}}){_NO_NUMBER_AFTER}",
        _is_card,
    ),
    _of(
        IdentifierKind.DATE,
        rf"\b(?:DOB|D\.O\.B\.|date of birth|birth ?date|born(?: on)?)\W{{0,3}}(?:is |was )?(?P<found>{_SHORT_DATE})\b",
    ),
    _of(IdentifierKind.DATE, rf"{_NO_NUMBER_BEFORE}(?P<found>{_DATE}){_NO_NUMBER_AFTER}"),
    _of(
        IdentifierKind.IP_ADDRESS,
        r"(?<![\w.])(?<!EC )(?P<found>\d{1,3}(?:\.\d{1,3}){3})(?![\w]|\.\d)",
        _is_ip_address,
    ),
    _of(IdentifierKind.IP_ADDRESS, r"\bIP(?: address)?\W{1,3}(?P<found>\d{1,3}(?:\.\d{1,3}){3})\b"),
    _of(IdentifierKind.IP_ADDRESS, r"(?<![\w:])(?P<found>(?:[0-9a-f]{1,4}:){5,7}[0-9a-f]{1,4})(?![\w:])"),
    _of(
        IdentifierKind.PHONE,
        r"\b(?:tel|phone|telephone|mobile|cell|fax|pager|call(?:ed)?(?: \w+)? (?:at|on))\.?"
        r"(?: (?:number|no\.?))?[\s:]{0,3}(?:is )?(?P<found>[+(]?\d[\d ()./-]{5,18}\d)(?![\w])",
        partial(_has_digits, 7, 15),
    ),
    _of(
        IdentifierKind.PHONE,
        r"(?<![\w.])(?P<found>\+[1-9](?:\)?[ ./-]?\(?\d){8,14})(?![\w]|\.\d)",
    ),
    _of(
        IdentifierKind.PHONE,
        rf"(?<![\w./-])(?P<found>(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])\d{{3}}[-.]\d{{4}}){_NO_NUMBER_AFTER}",
    ),
    _of(
        IdentifierKind.PHONE,
        rf"{_NO_NUMBER_BEFORE}(?P<found>0\d{{2,4}}[ /-]\d{{3,4}}(?:[ -]?\d{{2,4}}){{1,2}}){_NO_NUMBER_AFTER}",
        partial(_has_digits, 10, 11),
    ),
    _of(
        IdentifierKind.AGE,
        r"\b(?P<found>(?:9\d|1[0-2]\d)[ -]?(?:years?|yrs?)[ -]?(?:old|of age)|(?:9\d|1[0-2]\d) ?(?:y/o|yo)\b"
        r"|(?:aged|age:|age is) (?:9\d|1[0-2]\d)"
        r"(?! ?(?:(?:years )?(?:or|and) (?:over|older|above)|days|weeks|months|to|[-–%])))",
    ),
    _cased(IdentifierKind.NAME, rf"\b(?P<found>(?:Mr|Mrs|Ms|Miss|Mx|Herr|Frau)\.? {_NAME}(?: {_NAME})?)"),
    _cased(
        IdentifierKind.NAME,
        rf"\b(?:patient|Patient(?! (?:Health|Safety|Care|Protection|Reported|Global|Education)\b)|patient's name is"
        r"|named|[Nn]ame:|Patient:|Pt:|patient name:|Patient name:) "
        rf"(?P<found>{_NAME} (?:[A-Z]\. )?{_NAME})",
    ),
)
"""The first that matches a place decides its kind.

Each takes time in proportion to the length of a text, whatever it contains: repetitions are bounded, or separated by
something that they cannot match themselves.
"""
