"""The words by which answers name and judge options: a file for each language, read and checked once.

A file lists plain phrases by the part they play (`Role`). They are compared word by word, never as patterns, so that
what they cost does not depend on the text. `fields.toml` has the names of JSON fields and tags that hold an answer,
`sets.toml` what counts only where several options may be right.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from m1app.question.answers.tokens import words_of
from m1app.question.errors import QuestionError

LANGUAGES = ("en", "zh", "es", "fr", "de", "ko")
MAX_PHRASE_WORDS = 12


class AnswerRulesError(QuestionError):
    """A file of rules is invalid; the message names it and the field."""


class Role(StrEnum):
    """The part that a phrase plays. "Before" and "after" are seen from the option."""

    LABELS = "labels"
    """Before a colon: "Response: B"."""
    NOUNS = "nouns"
    """What an answer is called: "the *answer* is B"."""
    FINALS = "finals"
    """The same, of an answer that replaces all earlier ones."""
    RIGHTS = "rights"
    """What the answer is: "B is *correct*", "the *most likely* cause is X"."""
    WRONGS = "wrongs"
    """What it is not: "B is *unlikely*"."""
    IS = "is_words"
    HYPOTHETICALS = "hypotheticals"
    """Instead of "is", of what is not so: "would be"."""
    CHOOSES = "chooses"
    """Directly before: "*I choose* B"."""
    CHOOSES_AFTER = "chooses_after"
    """Directly after, at the end of a sentence."""
    POINTS = "points"
    """Before an option at the end of its sentence: "*it is* B"."""
    TAKES = "takes"
    """Verbs before the text of an option that is named in a sentence: "I would *give* X"."""
    CONCLUDES = "concludes"
    CORRECTS = "corrects"
    RETRACTS = "retracts"
    """Takes back what was said before."""
    UNSAYS = "unsays"
    """Takes back the option that was named last: "A, but *it is not the answer*"."""
    LIKEWISE = "likewise"
    """Before an option of which the same is said as of the one before: "A is wrong, *so is* B"."""
    LIKEWISE_AFTER = "likewise_after"
    """The same, after the option and at the end of a clause: "B *too*"."""
    FORMATS = "formats"
    """The sentence shows how an answer is written, and gives none."""
    CHANCES = "chances"
    """What is measured by a number: "the *probability* that B is right is 10%"; without one, a doubt."""
    SUPPORTS = "supports"
    """Speaks for an option, without choosing it: "B *explains* the fever"."""
    NEGATIONS = "negations"
    REJECTS_AFTER = "rejects_after"
    CONDITIONS = "conditions"
    """What is said is so in some case only: "if"."""
    HABITS = "habits"
    """The same, in the option's own clause: "*usually*"."""
    SCOPES = "scopes"
    """The same, unless `here` follows: "*in* children", but "in *this* child"."""
    ABSENCES = "absences"
    """The same, whatever follows: "*without* the fever"."""
    SOFT_SCOPES = "soft_scopes"
    """The same, if another option is named for another case."""
    HERE = "here"
    RESTRICTS = "restricts"
    """After "is right": "A is right *about* the fever"."""
    HEDGES = "hedges"
    DISOWNS = "disowns"
    """Before what others say, or what was thought earlier: "I *first thought* A"."""
    DISOWNS_AFTER = "disowns_after"
    INVERTS = "inverts"
    """The question asks for what is false, so that "A is correct" chooses nothing."""
    FILLERS = "fillers"
    """May stand between a phrase and the option."""
    OPTION_WORDS = "option_words"
    """"*option* B"; also before a number."""
    OPTION_WORDS_AFTER = "option_words_after"
    CLAIMS_LETTER = "claims_letter"
    """A letter after it names something else: "*vitamin* A"."""
    CLAIMS_AFTER = "claims_after"
    """The same, after the letter."""
    JOINS = "joins"
    """Between options that are named together: "A *or* B"."""
    BECAUSE = "because"
    """Begins a reason, which takes nothing back."""
    OPENS_CLAUSE = "opens_clause"
    """Begins a clause of its own: "I am sure *that* B is right"."""
    VERDICTS = "verdicts"
    """Texts of options that are short answers: "yes"."""
    GOES_ON = "goes_on"
    """Other words that may follow a letter."""


def _check_phrase(phrase: str) -> str:
    words = words_of(phrase)
    if not words or phrase != phrase.strip().lower():
        raise ValueError("expected a phrase in lower case, without spaces at either end")
    if len(words) > MAX_PHRASE_WORDS:
        raise ValueError(f"expected at most {MAX_PHRASE_WORDS} words")
    return phrase


_Phrase = Annotated[str, AfterValidator(_check_phrase)]


class _Language(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    language: str
    function_words: list[_Phrase] = []
    """Frequent short words, by which a text in this language is recognised; empty if its script shows it."""
    numbers: dict[_Phrase, Annotated[int, Field(ge=1, le=26)]]
    phrases: dict[Role, list[_Phrase]]


class _Sets(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    together: list[str]
    limits: list[_Phrase]
    adds: list[_Phrase]
    fields: list[_Phrase]
    no_hedges: list[_Phrase]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    telling: list[_Phrase]
    neutral: list[_Phrase]


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase of the rules, with a language in which it plays each part."""

    words: tuple[str, ...]
    languages: Mapping[Role, str]


@dataclass(frozen=True, slots=True)
class _Entry:
    words: tuple[str, ...]
    languages: Mapping[Role, Sequence[str]]

    def among(self, spoken: frozenset[str]) -> Phrase | None:
        """The phrase with the parts that it plays in some languages; None if it plays none."""
        found = {role: codes for role, every in self.languages.items() if (codes := [c for c in every if c in spoken])}
        return Phrase(self.words, {role: codes[0] for role, codes in found.items()}) if found else None


@dataclass(frozen=True, slots=True, eq=False)
class AnswerRules:
    """The rules of all languages."""

    entries: tuple[_Entry, ...]
    """Longest first."""
    function_words: Mapping[str, frozenset[str]]
    """By language."""
    numbers: Mapping[str, int]
    """Words for the place of an option, from 1."""
    telling: frozenset[str]
    neutral: frozenset[str]
    verdicts: frozenset[tuple[str, ...]]
    """Texts of options that are short answers, such as "yes"."""
    together: frozenset[str]
    """What stands between options that are all meant."""
    limits: frozenset[tuple[str, ...]]
    """Phrases that say that more or fewer options are meant than are named."""
    adds: frozenset[tuple[str, ...]]
    """Phrases that add an option to those named before."""
    set_fields: frozenset[str]
    """Names of fields that hold several answers."""
    no_hedges: frozenset[tuple[str, ...]]
    """Phrases that leave one answer open, but not several."""

    @classmethod
    def of(cls, languages: Mapping[str, _Language], fields: _Fields, sets: _Sets) -> Self:
        """Put the languages' rules together."""
        found: dict[tuple[str, ...], dict[Role, list[str]]] = {}
        for code, language in languages.items():
            for role, phrases in language.phrases.items():
                for phrase in phrases:
                    found.setdefault(words_of(phrase), {}).setdefault(role, []).append(code)
        entries = [_Entry(words, found[words]) for words in sorted(found, key=len, reverse=True)]
        numbers = {word: number for language in languages.values() for word, number in language.numbers.items()}
        known = {code: frozenset(language.function_words) for code, language in languages.items()}
        verdicts = frozenset(entry.words for entry in entries if Role.VERDICTS in entry.languages)
        return cls(
            tuple(entries),
            known,
            numbers,
            frozenset(fields.telling),
            frozenset(fields.neutral),
            verdicts,
            frozenset(sets.together),
            frozenset(map(words_of, sets.limits)),
            frozenset(map(words_of, sets.adds)),
            frozenset(sets.fields),
            frozenset(map(words_of, sets.no_hedges)),
        )

    def for_several(self) -> Self:
        """These rules for questions with several right options."""
        entries = tuple(entry for entry in self.entries if entry.words not in self.no_hedges)
        return replace(self, entries=entries, telling=self.telling | self.set_fields)

    def spoken_in(self, words: Sequence[str]) -> frozenset[str]:
        """The languages of a text: those with at least half as many function words as the one with most.

        Without any, it may be in every language. A language without function words is known by its script.
        """
        counts = {code: sum(word in known for word in words) for code, known in self.function_words.items() if known}
        most = max(counts.values(), default=0)
        return frozenset(code for code in self.function_words if code not in counts or 2 * counts[code] >= most)

    def phrases_in(self, spoken: frozenset[str]) -> "Mapping[str, PhrasesOfWord]":
        """The phrases of some languages by their first word."""
        return _phrases_in(self, spoken)

    def is_answer_field(self, name: str) -> bool:
        """Whether a JSON field or a tag of this name holds the answer."""
        words = [word.lower() for word in re.findall(r"[A-ZÀ-Þ]?[a-zß-ÿ]+|[A-Z]+|[^\W\d_A-Za-zÀ-ÿ]+", name)]
        return any(word in self.telling for word in words) and all(
            word in self.telling or word in self.neutral for word in words
        )


@dataclass(slots=True)
class PhrasesOfWord:
    """The phrases that begin with a word, longest first, by their second word: most words begin many."""

    alone: list[Phrase] = field(default_factory=list)
    """Phrases of this word only."""
    by_second: dict[str, list[Phrase]] = field(default_factory=dict)

    def add(self, phrase: Phrase) -> None:
        """Add a phrase that is no longer than those before it."""
        if len(phrase.words) == 1:
            self.alone.append(phrase)
        else:
            self.by_second.setdefault(phrase.words[1], []).append(phrase)

    def before(self, second: str) -> Iterator[Phrase]:
        """Those that may stand where a second word follows."""
        yield from self.by_second.get(second, ())
        yield from self.alone


@lru_cache(maxsize=64)
def _phrases_in(rules: AnswerRules, spoken: frozenset[str]) -> Mapping[str, PhrasesOfWord]:
    by_first: dict[str, PhrasesOfWord] = {}
    for entry in rules.entries:
        phrase = entry.among(spoken)
        if phrase is not None:
            by_first.setdefault(phrase.words[0], PhrasesOfWord()).add(phrase)
    return by_first


@cache
def load_rules() -> AnswerRules:
    """Return the rules that come with the app; raises AnswerRulesError."""
    folder = resources.files(__package__)
    texts = {
        name: folder.joinpath(f"{name}.toml").read_text(encoding="utf-8") for name in (*LANGUAGES, "fields", "sets")
    }
    return parse_rules(texts)


def parse_rules(texts: Mapping[str, str]) -> AnswerRules:
    """Parse the files of the languages, "fields" and "sets".

    Args:
        texts: TOML by the file's name without its ending.

    Raises:
        AnswerRulesError: one of them is invalid.
    """
    languages: dict[str, _Language] = {}
    fields = _Fields(telling=[], neutral=[])
    sets = _Sets(together=[], limits=[], adds=[], fields=[], no_hedges=[])
    for name, text in texts.items():
        try:
            content = tomllib.loads(text)
            if name == "fields":
                fields = _Fields.model_validate(content)
            elif name == "sets":
                sets = _Sets.model_validate(content)
            else:
                kept = {key: content.pop(key) for key in ("language", "function_words", "numbers") if key in content}
                # Not strict here: TOML has no enumerations.
                phrases = {Role(key) if key in set(Role) else key: value for key, value in content.items()}
                languages[name] = _Language.model_validate({**kept, "phrases": phrases})
        except tomllib.TOMLDecodeError as exc:
            raise AnswerRulesError(f"{name}.toml: not valid TOML: {exc}.") from exc
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(str(part) for part in first["loc"] if part != "phrases")
            raise AnswerRulesError(f"{name}.toml, field {where}: {first['msg']}.") from exc
    return AnswerRules.of(languages, fields, sets)
