"""A trace as JSON and as Markdown, with texts that would like to be more than text."""

import json
from typing import Any

import pytest
from markdown_it import MarkdownIt

from m1app.runs.trace_export import trace_json, trace_markdown
from storage.traces.records import SegmentKind, TraceState
from tests.m1app.runs.trace_samples import COMPLETED, HOSTILE, RUNNING, a_question, a_trace, segment

PROMISED = {
    "trace_id",
    "segments",
    "thinking_tokens",
    "answer",
    "letter",
    "correct",
    "finish_reason",
    "option_probabilities",
    "seconds",
    "engine",
}
FENCE_BREAKERS = ["```", "````\n```", "`````text\n# out", "~~~", "```\n\n    indented", HOSTILE, "\r\n```\r\n", ""]


def test_json_has_the_promised_keys_with_their_values() -> None:
    content = trace_json(COMPLETED)
    assert content.keys() >= PROMISED
    assert content["trace_id"] == COMPLETED.id
    assert [(s["kind"], s["text"], s["token_count"]) for s in content["segments"]] == [
        ("think", "The adrenal cortex", 4),
        ("wait", " Wait", 1),
        ("think", ", yes.", 3),
        ("close", "<|im_start|>answer\nFinal Answer:", 6),
        ("answer", " A", 1),
    ]
    assert (content["thinking_tokens"], content["answer"], content["letter"], content["correct"]) == (
        8,
        " A",
        "A",
        True,
    )
    assert (content["finish_reason"], content["seconds"]) == ("budget", 2.5)
    assert content["option_probabilities"] == {"A": 0.625, "B": 0.25}
    assert content["engine"] == {"name": "embedded", "kind": "llama.cpp", "version": "b1", "model": "smollm2-135m"}


def test_json_holds_everything_needed_to_make_the_trace_again() -> None:
    content = trace_json(COMPLETED)
    assert content["settings"] == {
        "thinking_budget_tokens": 1024,
        "force_rounds": 1,
        "answer_cap_tokens": 256,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
        "system_prompt": "Be careful.",
    }
    assert (content["question"], content["options"]) == (COMPLETED.question.stem, dict(COMPLETED.question.options))
    assert (content["profile"], content["prompt_text"]) == ("plain-chatml", "<|im_start|>user\n")


def test_json_of_a_running_trace_says_null_where_nothing_is_known() -> None:
    content = trace_json(RUNNING)
    unknown = ("letter", "correct", "finish_reason", "option_probabilities", "error", "tokens_per_second")
    assert {name: content[name] for name in unknown} == dict.fromkeys(unknown)
    assert (content["segments"], content["answer"], content["state"]) == ([], "", "running")


@pytest.mark.parametrize("text", FENCE_BREAKERS)
def test_json_gives_every_text_back_unchanged(text: str) -> None:
    trace = a_trace(segments=(segment(SegmentKind.THINK, text),), question=a_question(stem=text))
    read = json.loads(json.dumps(trace_json(trace), ensure_ascii=False))
    assert (read["question"], read["segments"][0]["text"]) == (text, text)


def _tokens(markdown: str) -> list[Any]:
    return MarkdownIt("commonmark").enable("table").parse(markdown)


def _all_tokens(markdown: str) -> list[Any]:
    return [inner for token in _tokens(markdown) for inner in (token, *(token.children or ()))]


def _text_outside_fences(markdown: str) -> str:
    return "".join(t.content for t in _all_tokens(markdown) if t.type in ("text", "code_inline", "html_inline"))


def test_markdown_shows_question_thinking_answer_verdict_and_settings() -> None:
    markdown = trace_markdown(COMPLETED)
    fences = [token.content for token in _tokens(markdown) if token.type == "fence"]
    assert fences == [
        "Which gland makes cortisol?\nA. Adrenal\nB. Thyroid\n",
        "The adrenal cortex Wait, yes.\n",
        " A\n",
    ]
    outside = _text_outside_fences(markdown)
    for expected in (
        "not medical advice",
        "Target: A",
        "8 of 1,024 tokens",
        "Verdict: A, right",
        "smollm2-135m",
    ):
        assert expected in outside


@pytest.mark.parametrize("text", FENCE_BREAKERS)
def test_no_text_of_a_trace_acts_as_markdown(text: str) -> None:
    trace = a_trace(
        question=a_question(stem=text, options={"A": text, "B": "b"}),
        segments=(segment(SegmentKind.THINK, text), segment(SegmentKind.ANSWER, text)),
    )
    markdown = trace_markdown(trace)
    assert [t.type for t in _tokens(markdown)] == [t.type for t in _tokens(trace_markdown(COMPLETED))]
    assert "leak" not in _text_outside_fences(markdown)


@pytest.mark.parametrize("field", ["model", "engine_version", "profile", "error"])
def test_what_an_engine_says_of_itself_does_not_act_as_markdown_either(field: str) -> None:
    name = "a|b\n# c <img src=x> ![i](https://leak.example/i) [l](https://leak.example/) `code` *d* \\"
    markdown = trace_markdown(a_trace(**{field: name}))
    types = {token.type for token in _all_tokens(markdown)}
    assert not types & {"html_inline", "html_block", "image", "link_open", "code_inline", "em_open"}
    assert sum(token.type == "heading_open" for token in _tokens(markdown)) == 5
    cells = [token.children for token in _tokens(markdown) if token.type == "inline" and token.children]
    shown = ["".join(child.content for child in children) for children in cells]
    assert any(name.replace("\n", " ") in text for text in shown)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"is_correct": False, "answer_letter": "B"}, "Verdict: B, wrong"),
        ({"is_correct": None, "answer_letter": None}, "Verdict: no option chosen"),
        ({"question": a_question(options={}, target=None)}, "Target: none"),
        ({"profile_is_guess": True}, "plain-chatml (a guess)"),
        ({"state": TraceState.FAILED, "error": "The engine is gone."}, "The engine is gone."),
    ],
)
def test_markdown_says_how_it_ended(changes: dict[str, Any], line: str) -> None:
    assert line in trace_markdown(a_trace(**changes))


def test_markdown_of_a_trace_that_has_just_begun_is_whole() -> None:
    markdown = trace_markdown(RUNNING)
    assert "thinking ended | not yet" in markdown
    assert [t.type for t in _tokens(markdown)].count("fence") == 3


def test_the_words_that_a_letter_rests_on_are_exported_with_their_place_and_rule() -> None:
    read = a_trace(letter_rule="stated: final answer (en)", letter_start=0, letter_end=2, strict_version=2)
    assert trace_json(read)["letter_basis"] == {
        "rule": "stated: final answer (en)",
        "words": " A",
        "start": 0,
        "end": 2,
        "strict_version": 2,
    }
    assert "The letter rests on the rule `stated: final answer (en)`:" in trace_markdown(read)
    assert trace_json(a_trace())["letter_basis"] is None
    unread = trace_json(a_trace(letter_rule="no_answer", strict_version=2))["letter_basis"]
    assert (unread["rule"], unread["words"], unread["start"]) == ("no_answer", None, None)
