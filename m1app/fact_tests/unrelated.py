"""The unrelated fact of a test: true, of about the length of the corrected one, and about something else. Pure."""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from m1app.fact_tests.words import telling_words

_MOST_CANDIDATES = 12


@cache
def library() -> tuple[tuple[str, ...], ...]:
    """The facts, each as its sentences."""
    loaded = tomllib.loads(files("m1app.fact_tests").joinpath("unrelated_facts.toml").read_text(encoding="utf-8"))
    return tuple(tuple(fact) for fact in loaded["facts"])


library()  # Read now, since tests are designed on the event loop.


def candidates(fact: str, texts: Sequence[str]) -> Sequence[str]:
    """Unrelated facts, those first whose length in characters is nearest to the fact's.

    Args:
        fact: the corrected fact.
        texts: question and options; no telling word of them, or of the fact, is in a candidate.

    Returns:
        At most 12, at least one; how many tokens they have, only an engine knows.
    """
    taken = telling_words(" ".join((fact, *texts)))
    apart = [each for each in library() if not telling_words(" ".join(each)) & taken] or list(library())
    length = len(fact)
    built = {text for start in range(len(apart)) for text in _built(apart[start:] + apart[:start], length)}
    return sorted(built, key=lambda text: (abs(len(text) - length), text))[:_MOST_CANDIDATES]


def _built(facts: Sequence[Sequence[str]], length: int) -> Sequence[str]:
    """Texts of whole sentences that begin with the first of the facts: up to the length, and one sentence beyond."""
    texts: list[str] = []
    for sentence in (sentence for fact in facts for sentence in fact):
        texts.append(f"{texts[-1]} {sentence}" if texts else sentence)
        if len(texts[-1]) >= length:
            break
    return texts[-2:]
