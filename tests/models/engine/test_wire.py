"""What an engine sends is read as a value of its type, or refused; whatever it is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.engine import wire
from models.engine.json_text import json_object, shown
from models.errors import BadEngineResponse


@pytest.mark.parametrize("wait", ["nan", "-nan", "inf", "-1", "1e999", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_time_to_wait_that_is_none_disorders_no_timer(wait: str) -> None:
    error = wire.error_for(429, "", {}, model="m", retry_after=wait)
    assert error.retry_after_seconds is None  # type: ignore[attr-defined]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "text", "token_ids", "logprobs", "content", "top_logprobs", "token", "logprob", "id"]  # noqa: RUF005 - two lines
                + ["finish_reason", "usage", "prompt_tokens_details", "cached_tokens", "timings", "predicted_n"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(JSON_VALUES, JSON_VALUES, JSON_VALUES)
def test_whatever_an_event_holds_it_is_a_chunk_or_refused(choice: Any, usage: Any, timings: Any) -> None:
    sent = {"choices": [choice], "usage": usage, "timings": timings}
    try:
        received = wire.read_chunk(sent, with_logprobs=True)
        count = wire.tokens_generated(sent)
    except BadEngineResponse:
        return
    assert all(0 <= token < 2**31 for token in received.token_ids)
    assert count is None or count >= 0


@given(st.binary(max_size=50) | st.text(max_size=20).map(lambda text: json.dumps({text: [text]}).encode()))
def test_whatever_bytes_come_they_are_storable_json_or_refused(raw: bytes) -> None:
    try:
        content = json_object(raw)
    except BadEngineResponse as exc:
        assert str(exc).isprintable()
        return
    json.dumps(content, ensure_ascii=False).encode()


def test_a_quoted_text_is_one_printable_line_of_limited_length() -> None:
    assert shown("a\n\x1bb\ud800") == "a  b"
    assert shown("x" * 500, 10) == "x" * 9 + "…"
