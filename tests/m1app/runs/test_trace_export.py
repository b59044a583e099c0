"""A trace as JSON and as Markdown, with texts that would like to be more than text."""

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from markdown_it import MarkdownIt

from m1app import __version__
from m1app.runs.sweep_markdown import sweep_markdown
from m1app.runs.trace_export import trace_json
from m1app.runs.trace_markdown import FINISH_WORDS, trace_markdown
from m1app.wording import FIRST_NAMED_NOTE
from storage.traces.records import SegmentKind, ThinkingFinishReason, TraceState
from tests.m1app.runs.sweep_samples import PASS, SNAPSHOT, SWEEP, a_checkpoint
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


def lines_of(text: str) -> str:
    return text.replace("\r\n", "\n") + "\n"


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
        "The adrenal cortex\n",
        " Wait\n",
        ", yes.\n",
        "<|im_start|>answer\nFinal Answer:\n",
        " A\n",
        "<|im_start|>user\n\n",
    ]
    outside = _text_outside_fences(markdown)
    for expected in (
        "not medical advice",
        "Target: A",
        "8 of 1,024 tokens",
        "Verdict: A, right",
        "smollm2-135m",
        "Thinking ended: the budget was used up.",
        "2026-03-01T09:30:00+00:00",
        f"m1app {__version__}",
        "256 tokens",
    ):
        assert expected in outside


def headings(markdown: str) -> list[str]:
    tokens = _tokens(markdown)
    return [after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"]


def test_markdown_says_who_wrote_each_part() -> None:
    assert headings(trace_markdown(COMPLETED)) == [
        f"Trace {COMPLETED.id}",
        "Question",
        "Thinking (8 of 1,024 tokens)",
        "Round 1: the model (4 tokens, natural stop)",
        "Force round 1: inserted by the app (1 token)",
        "Round 2: the model (3 tokens, token limit)",
        "Answer",
        "Closing: inserted by the app (6 tokens)",
        "The model (1 token, natural stop)",
        "Option probabilities at the end of thinking",
        "Settings",
        "Prompt (from the app, not the model)",
    ]


def rows_of(markdown: str) -> list[list[str]]:
    """The cells of every table row."""
    found: list[list[str]] = []
    tokens = _tokens(markdown)
    for before, token in itertools.pairwise(tokens):
        if token.type == "tr_open":
            found.append([])
        elif token.type == "inline" and before.type in ("td_open", "th_open"):
            found[-1].append("".join(child.content for child in token.children))
    return found


def test_markdown_has_the_probabilities_of_the_options_as_a_table() -> None:
    rows = rows_of(trace_markdown(COMPLETED))
    assert rows[0][:2] == ["Option", "Probability"]
    assert rows[1:4] == [["A", "62.5%", "chosen, target"], ["B", "25.0%", ""], ["no option", "12.5%", ""]]
    wrong = rows_of(trace_markdown(a_trace(answer_letter="B", is_correct=False)))
    assert [row[2] for row in wrong[1:3]] == ["target", "chosen"]
    assert "Option" not in headings(trace_markdown(a_trace(option_probabilities=None)))
    both = trace_markdown(a_trace(question=a_question(target="A, B"), answer_letter="A", is_correct=False))
    assert [row[2] for row in rows_of(both)[1:3]] == ["chosen, target", "target"]
    assert "to be named first" in _text_outside_fences(both)


@pytest.mark.parametrize("reason", ThinkingFinishReason)
def test_markdown_has_words_for_every_way_that_thinking_ends(reason: ThinkingFinishReason) -> None:
    ended = tuple(replace(each, finish_reason=reason.value) for each in COMPLETED.segments)
    markdown = trace_markdown(a_trace(thinking_finish_reason=reason, segments=ended))
    assert f"Thinking ended: {FINISH_WORDS[reason]}." in _text_outside_fences(markdown)
    if reason is ThinkingFinishReason.EARLY_EXIT:
        assert any(heading.endswith(", closed by a person)") for heading in headings(markdown))
    at = replace(PASS, checkpoints=(replace(PASS.checkpoints[0], thinking_finish_reason=reason),))
    assert FINISH_WORDS[reason] in sweep_markdown(replace(SNAPSHOT, passes=(at,)))


def test_markdown_marks_every_right_option_where_several_are_right() -> None:
    question = a_question(options={"A": "Adrenal", "B": "Thyroid", "C": "Ovary"}, target="A, C")
    shares = {"A": 0.5, "B": 0.25, "C": 0.25}
    answered = a_trace(question=question, answer_letter="B, C", is_correct=False, option_probabilities=shares)
    markdown = trace_markdown(answered)
    assert [row[2] for row in rows_of(markdown)[1:4]] == ["target", "chosen", "chosen, target"]
    assert FIRST_NAMED_NOTE in markdown
    assert FIRST_NAMED_NOTE not in trace_markdown(COMPLETED)


@pytest.mark.parametrize("reason", [None, *ThinkingFinishReason])
def test_markdown_has_words_for_every_way_in_which_thinking_ends(reason: ThinkingFinishReason | None) -> None:
    markdown = trace_markdown(a_trace(thinking_finish_reason=reason))
    words = FINISH_WORDS[reason] if reason else "not known"
    assert f"Thinking ended: {words}." in markdown
    assert f"thinking ended | {words}" in markdown
    answered = a_checkpoint(((8, 0),), 8, 20, thinking_finish_reason=reason or ThinkingFinishReason.NATURAL)
    swept = replace(SNAPSHOT, passes=(replace(PASS, checkpoints=(answered,)),))
    assert f"Answer after 8 thinking tokens ({FINISH_WORDS[answered.thinking_finish_reason]})" in sweep_markdown(swept)


def test_markdown_says_which_part_answer_now_ended() -> None:
    ended = segment(SegmentKind.THINK, "The adrenal", 4, finish_reason="early_exit")
    assert "Round 1: the model (4 tokens, closed by a person)" in headings(trace_markdown(a_trace(segments=(ended,))))


def test_a_name_and_tags_are_exported_and_act_as_nothing() -> None:
    named = a_trace(name="*Wrist* <b>", tags=("a|b", "[t](https://leak.example)"))
    markdown = trace_markdown(named)
    assert {token.type for token in _all_tokens(markdown)} & {"html_inline", "em_open", "link_open"} == set()
    shown = _text_outside_fences(markdown)
    assert "*Wrist* <b>" in shown
    assert "Tags: a|b, [t](https://leak.example)" in shown
    content = trace_json(named)
    assert (content["name"], content["tags"]) == (named.name, list(named.tags))
    assert (trace_json(COMPLETED)["name"], trace_json(COMPLETED)["tags"]) == (None, [])


@pytest.mark.parametrize("text", FENCE_BREAKERS)
def test_no_text_of_a_trace_acts_as_markdown(text: str) -> None:
    trace = a_trace(
        question=a_question(stem=text, options={"A": text, "B": "b"}),
        segments=tuple(replace(each, text=text) for each in COMPLETED.segments),
        prompt_text=text,
    )
    markdown = trace_markdown(trace)
    assert [t.type for t in _tokens(markdown)] == [t.type for t in _tokens(trace_markdown(COMPLETED))]
    assert [t.content for t in _tokens(markdown) if t.type == "fence"][1:] == [lines_of(text)] * 6
    assert "leak" not in _text_outside_fences(markdown)


@pytest.mark.parametrize("field", ["model", "engine_version", "profile", "error"])
def test_what_an_engine_says_of_itself_does_not_act_as_markdown_either(field: str) -> None:
    name = "a|b\n# c <img src=x> ![i](https://leak.example/i) [l](https://leak.example/) `code` *d* \\"
    markdown = trace_markdown(a_trace(**{field: name}))
    types = {token.type for token in _all_tokens(markdown)}
    assert not types & {"html_inline", "html_block", "image", "link_open", "code_inline", "em_open"}
    assert len(headings(markdown)) == len(headings(trace_markdown(COMPLETED)))
    cells = [token.children for token in _tokens(markdown) if token.type == "inline" and token.children]
    shown = ["".join(child.content for child in children) for children in cells]
    assert any(name.replace("\n", " ") in text for text in shown)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"is_correct": False, "answer_letter": "B"}, "Verdict: B, wrong"),
        ({"is_correct": None, "answer_letter": None}, "Verdict: no option chosen"),
        ({"question": a_question(options={}, target=None)}, "Target: none"),
        ({"thinking_finish_reason": None}, "Thinking ended: not known."),
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
    assert "Thinking ended: not yet." in markdown
    assert "The model (no answer yet)" in markdown


def test_the_words_that_a_letter_rests_on_are_exported_with_their_place_and_rule() -> None:
    read = a_trace(letter_rule="stated: final answer (en)", letter_start=0, letter_end=2, strict_version=2)
    assert trace_json(read)["letter_basis"] == {
        "rule": "stated: final answer (en)",
        "words": " A",
        "start": 0,
        "end": 2,
        "strict_version": 2,
    }
    assert "The letter rests on the rule “stated: final answer (en)”:" in trace_markdown(read)
    assert trace_json(a_trace())["letter_basis"] is None
    unread = trace_json(a_trace(letter_rule="no_answer", strict_version=2))["letter_basis"]
    assert (unread["rule"], unread["words"], unread["start"]) == ("no_answer", None, None)


def test_markdown_of_a_sweep_has_grid_thinking_answers_flips_and_settings() -> None:
    markdown = sweep_markdown(SNAPSHOT)
    assert [row for row in rows_of(markdown) if row[0] in ("Rounds", "0", "1")] == [
        ["Rounds", "8 tokens", "16 tokens", "32 tokens"],
        ["0", "B-", "A+", "A+"],
        ["1", "B-", "A+", "B-"],
    ]
    fences = [token.content for token in _tokens(markdown) if token.type == "fence"]
    assert "No, the adrenal cortex makes it.\n" in fences
    for kept in PASS.checkpoints:
        assert f"{kept.text}\n" in fences
    for part in PASS.trace.segments:
        assert f"{part.text}\n" in fences
    assert any(heading.startswith("Round 1: the model") for heading in headings(markdown))
    shown = _text_outside_fences(markdown)
    for expected in ("Target: A", "separate runs of every cell", SWEEP.id, f"m1app {__version__}"):
        assert expected in shown


@pytest.mark.parametrize("text", FENCE_BREAKERS)
def test_no_text_of_a_sweep_acts_as_markdown(text: str) -> None:
    def with_text(new: str) -> str:
        trace = replace(PASS.trace, segments=(segment(SegmentKind.THINK, new, 8),), model=new or "m", error=new or "e")
        run = replace(PASS, trace=trace, checkpoints=(a_checkpoint(((8, 0),), 8, 2, text=new, error=new or "e"),))
        sweep = replace(SWEEP, name=new or "n", tags=(new or "t",), error=new or "e", question=a_question(stem=new))
        return sweep_markdown(replace(SNAPSHOT, sweep=sweep, passes=(run,)))

    assert [t.type for t in _tokens(with_text(text))] == [t.type for t in _tokens(with_text("plain"))]
    allowed = {token.type for token in _all_tokens(with_text("plain"))} | {"softbreak", "text_special"}
    assert {token.type for token in _all_tokens(with_text(text))} <= allowed
