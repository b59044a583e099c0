"""An embedding server that knows a few meanings: texts about the same are near to each other, whatever their words."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.models.engine.scripted_server import Respond, Script, embedding_of, fail, serving

MODEL = "meanings"
_MEANINGS: tuple[tuple[str, ...], ...] = (
    ("heart attack", "myocardial infarction", "blocked coronary"),
    ("vitamin c", "scurvy", "bleeding gums"),
    ("digoxin", "foxglove"),
)


def vector_of(text: str) -> Sequence[float]:
    """A number for each meaning, and a small one that all texts share."""
    folded = text.casefold()
    return [*(float(any(word in folded for word in words)) for words in _MEANINGS), 0.1]


def turned(text: str) -> Sequence[float]:
    """What another model of as many numbers makes of it."""
    return [*vector_of(text)[::-1]]


@contextmanager
def serving_meanings(vector: Callable[[str], Sequence[float]] = vector_of) -> Iterator[Script]:
    """Serve it; `Script.embeddings` can be replaced."""
    with serving(Script(fail(404, {}), embeddings=embedding_of(vector))) as script:
        yield script


def texts_asked(script: Script) -> list[str]:
    """All texts that the server was sent."""
    return [text for path, body in script.requests if path == "/v1/embeddings" for text in body["input"]]


DOWN: Respond = fail(503, {"error": {"message": "Loading model"}})
Values = dict[str, Any]
