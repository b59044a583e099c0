"""Real engines that write what a test dictates, so that no test depends on what a small model happens to write.

A grammar allows exactly one text, followed by the end of the turn: sampling, token ids, stop and finish reason are the
engine's own. A model's own text depends on how the processor rounds.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from models.engine import wire
from models.engine.protocol import CompletionRequest, EngineKind

LONG = " So the next step follows from the one before." * 40
"""More tokens than any budget of the tests that use it."""

Dictate = Callable[..., None]


@pytest.fixture
def dictate(monkeypatch: pytest.MonkeyPatch) -> Dictate:
    """`dictate(text)`: every completion is `text`; with `answer`, those with the answer's cap are that instead.

    Requests for the probabilities of one token are left unchanged.
    """
    request_body = wire.request_body

    def use(text: str, *, answer: str | None = None, answer_cap_tokens: int = 24) -> None:
        def body(request: CompletionRequest, kind: EngineKind, model: str) -> dict[str, Any]:
            made = request_body(request, kind, model)
            if request.top_logprobs:
                return made
            is_answer = answer is not None and request.max_tokens == answer_cap_tokens
            return made | _only(answer if is_answer and answer is not None else text, kind)

        monkeypatch.setattr("models.engine.wire.request_body", body)

    return use


def _only(text: str, kind: EngineKind) -> dict[str, Any]:
    if kind is EngineKind.LLAMA_CPP:
        return {"grammar": f"root ::= {json.dumps(text, ensure_ascii=False)}"}
    return {"structured_outputs": {"choice": [text]}}
