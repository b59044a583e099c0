"""Which option an answer commits to: the scoring rule `strict`.

An answer commits with a box, a tag or a JSON field, with a statement ("the answer is C"), or by naming the option
alone. What is said of another case, by others, or with a doubt does not count; neither does a mere mention. Where
several options remain, and none of them corrects the others, no letter is read. Nothing is guessed: m1's published
scorer, from which this deviates on purpose, falls back to any capital letter and to the most similar option.

The words are in `rules`, a file a language. Everything here runs over the answer once, with steps of bounded
size. The thinking must be cut off before, unless it stands between tags.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from m1app.question.answers.claim_finding import find_claims, name_only
from m1app.question.answers.claims import Claim, How
from m1app.question.answers.containers import Container, find_containers
from m1app.question.answers.letter_sets import ClaimedSet
from m1app.question.answers.marks import Marked
from m1app.question.answers.mention import Mention
from m1app.question.answers.mention_finding import Options, find_mentions
from m1app.question.answers.next_turn import answer_end
from m1app.question.answers.rules import AnswerRules, load_rules
from m1app.question.answers.settling import settle
from m1app.question.answers.tokens import Token
from m1app.question.several_letters import read_letters
from m1app.targets import joined_letters, letters_of

_MAX_DEPTH = 3
_LIST = re.compile(r"[\w\s&]{1,60}[,;][\w\s,;&]{1,60}")
_CITED = re.compile(r"(?<=[^\s:=])[^\S\n]?\[\s?\d{1,3}(?:\s?[,;–-]\s?\d{1,3}){0,9}\s?\]")
"""Numbers of references behind a word: "Iron [3] is correct"."""
# Read when the module is imported: answers are read on the event loop, which must not wait for files.
_RULES = load_rules()
_RULES_FOR_SEVERAL = _RULES.for_several()
_UNREAD = (How.AMBIGUOUS, How.UNSETTLED, How.NOT_AN_OPTION, How.UNCLEAR_SET)


@dataclass(frozen=True, slots=True)
class Extraction:
    """The option an answer commits to, or the options, and where."""

    letter: str | None
    """A key of the options; None if the answer does not commit to exactly one. Where several may be right, the keys of
    one or more, as "A, C"; None if it is not certain that these are all."""
    how: How
    span: tuple[int, int] | None
    """Start and end of `answer_text` in the answer, in code points; None if nothing was found."""
    answer_text: str
    """The text that names the option; empty if nothing was found."""
    rule: str = ""
    """What the letter rests on, and the language of the words: "says (en)"."""
    basis: tuple[int, int] | None = None
    """Start and end of the words it rests on, with `answer_text`: "the answer is C"."""


def extract_answer(text: str, options: Mapping[str, str], *, are_several: bool = False) -> Extraction:
    """Return the option that an answer commits to.

    Args:
        text: the answer, without the thinking.
        options: letter -> text; empty for an open question, which has no letter to extract.
        are_several: whether the question asks for all right options: then the answer is a set of them.
    """
    if not options:
        return Extraction(None, How.OPEN_QUESTION, None, "")
    rules = _RULES_FOR_SEVERAL if are_several else _RULES
    return _read(text, Options(options, are_several=are_several), rules, depth=0)


def _read(text: str, options: Options, rules: AnswerRules, depth: int) -> Extraction:
    masked, containers = find_containers(text, rules) if depth < _MAX_DEPTH else (text, [])
    # Where an option has such a number itself, it may be what tells it from another.
    if not options.begin_with_numbers and not any(_CITED.search(each) for each in options.texts.values()):
        masked = _CITED.sub(lambda found: " " * len(found[0]), masked)
    if depth == 0:
        # Within the thinking, and in a container, a "Question:" is no turn.
        masked = masked[: answer_end(masked)]
        containers = [each for each in containers if each.start < len(masked)]
    marked = Marked.of(masked, rules, options.folded)
    contents = _Contents(text, options, rules, containers, depth)
    mentions = find_mentions(marked, options, contents.mention)
    claims = find_claims(marked, mentions, len(options.texts))
    claim = settle(marked, mentions, claims) or (None if options.are_several else name_only(marked, mentions))
    claim = claim or claims.unread
    if claim is None:
        return Extraction(None, How.NO_ANSWER, None, "")
    how = _how(options, claim)
    is_checked = options.are_several and how not in _UNREAD
    if is_checked and not ClaimedSet(marked, mentions, claims, claim, options).is_whole():
        how = How.UNCLEAR_SET
    return _extraction(text, marked, claim, how, contents)


def _how(options: Options, claim: Claim) -> How:
    """The basis of the letters that a claim names, or why they are none."""
    named = claim.mention
    is_bare = not (named.is_text or named.container)
    is_ambiguous = len(claim.letters) > 1 and not options.are_several
    if is_ambiguous or (claim.how is not How.UNSETTLED and options.are_letters and is_bare):
        return How.AMBIGUOUS
    return claim.how if claim.letters and claim.letters <= set(options.texts) else How.NOT_AN_OPTION


def _extraction(text: str, marked: Marked, claim: Claim, how: How, contents: "_Contents") -> Extraction:
    tokens, mention = marked.tokens, claim.mention
    container = contents.at(tokens[mention.start].start) if mention.container else None
    if container is not None and mention.end == mention.start + 1:
        span = contents.span(container)
        basis = (min(tokens[claim.first].start, container.start), container.end)
    else:
        span = (tokens[mention.start].start, contents.end(tokens[mention.end - 1]))
        basis = (min(tokens[claim.first].start, span[0]), max(tokens[claim.end - 1].end, span[1]))
    letters = None if how in _UNREAD else joined_letters(claim.letters)
    return Extraction(letters, how, span, text[slice(*span)], claim.rule, basis)


class _Contents:
    """What the containers of an answer hold."""

    def __init__(
        self, text: str, options: Options, rules: AnswerRules, containers: list[Container], depth: int
    ) -> None:
        self._by_start = {each.start: each for each in containers}
        self._text, self._options, self._rules, self._depth = text, options, rules, depth
        self._read: dict[int, Extraction] = {}

    def mention(self, start: int, place: int) -> Mention | None:
        """The container at a position as a mention; without letters if it names no option."""
        container = self.at(start)
        if container is None:
            return None
        found = self.read(container)
        if found.letter is not None:
            letters = frozenset(letters_of(found.letter))
        elif found.how in (How.AMBIGUOUS, How.UNSETTLED, How.UNCLEAR_SET):
            letters = frozenset(self._options.texts)
        else:
            letters = frozenset({found.answer_text.upper()} if found.how is How.NOT_AN_OPTION else ())
        parts = len(letters) if found.letter is not None else 1
        return Mention(letters, place, place + 1, container=container.kind, parts=parts)

    def at(self, start: int) -> Container | None:
        return self._by_start.get(start)

    def end(self, token: Token) -> int:
        """The end of a token, or of the container that it stands for."""
        container = self.at(token.start)
        return token.end if container is None else container.end

    def read(self, container: Container) -> Extraction:
        if container.start not in self._read:
            content = self._text[container.content_start : container.content_end]
            if container.kind == "field":
                content = _unescape(content)
            self._read[container.start] = _read_content(content, self._options, self._rules, self._depth + 1)
        return self._read[container.start]

    def span(self, container: Container) -> tuple[int, int]:
        """Where the option is named in it; all of its content if it names none."""
        found, start = self.read(container), container.content_start
        if found.span is None:
            return start, container.content_end
        return start + found.span[0], start + found.span[1]


def _read_content(content: str, options: Options, rules: AnswerRules, depth: int) -> Extraction:
    """The option in a box, tag or field; a number may be the start of an option's text."""
    found = _read(content, options, rules, depth)
    if options.are_several and found.letter is None and (letters := _listed(content, options)):
        return Extraction(letters, How.LINE, (0, len(content)), content)
    if found.how is How.NO_ANSWER and len(content) < 60:
        letter = _small_letter(content, options)
        if letter:
            start = content.index(letter)
            return Extraction(options.by_letter[letter.upper()], How.LINE, (start, start + 1), letter)
    return found


_ESCAPES = {"n": " \n", "t": "  ", "r": "  ", '"': ' "', "'": " '", "\\": " \\"}


def _unescape(text: str) -> str:
    """JSON's escapes as what they stand for, in as many characters."""
    return re.sub(r"\\([ntr\"'\\])", lambda found: _ESCAPES[found[1]], text)


def _listed(content: str, options: Options) -> str | None:
    """Letters with commas or semicolons between them, in small letters, too."""
    is_list = _LIST.fullmatch(content) and not options.are_letters
    return read_letters(content, options.by_letter) if is_list else None


def _small_letter(content: str, options: Options) -> str:
    stripped = content.strip(" \t\n\"'`*_$.(){}[]")
    return stripped if len(stripped) == 1 and stripped.upper() in options.by_letter else ""
