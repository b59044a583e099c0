"""Published layouts of reasoning traces, each with a sample of our own: what it is read as, and what is refused."""

import io
import json
from typing import Any

import pytest

from m1app.training.errors import InvalidTrainingData
from m1app.training.sample_layouts import LAYOUTS, detect_layout
from m1app.training.samples import TrainingSample
from m1app.training.sources import FileNotes, read_samples
from m1app.training.thinking_in_text import take_apart
from tests.m1app.training.training_cases import OPTIONS, jsonl

QUESTION = "Which gland makes thyroxine?"
LETTERED = f"{QUESTION}\nA. Adrenal gland\nB. Thyroid gland\nC. Pancreas"
THINKING, ANSWER = "Thyroxine holds iodine.", "The thyroid gland."
INLINE = f"<think>\n{THINKING}\n</think>\n\n{ANSWER}"

ROWS: dict[str, dict[str, Any]] = {
    "huatuogpt-o1": {"Question": QUESTION, "Complex_CoT": THINKING, "Response": ANSWER},
    "s1k": {
        "solution": "Thyroid",
        "question": QUESTION,
        "cot_type": "medicine",
        "source_type": "own",
        "metadata": "{}",
        "cot": None,
        "thinking_trajectories": [THINKING],
        "attempt": ANSWER,
    },
    "s1k-1.1": {
        "solution": "Thyroid",
        "question": QUESTION,
        "gemini_thinking_trajectory": "Hm.",
        "gemini_attempt": "I do not know.",
        "deepseek_thinking_trajectory": THINKING,
        "deepseek_attempt": ANSWER,
    },
    "alpaca": {"instruction": QUESTION, "input": "", "output": INLINE},
    "sharegpt": {"conversations": [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": INLINE}]},
    "messages": {
        "messages": [
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": ANSWER, "reasoning_content": THINKING},
        ]
    },
}


def read(*rows: dict[str, Any], layout: str = "") -> tuple[list[TrainingSample], FileNotes]:
    notes = FileNotes()
    return list(read_samples(io.BytesIO(jsonl(list(rows))), "file.jsonl", layout, notes)), notes


@pytest.mark.parametrize("layout_id", ROWS)
def test_a_published_row_is_recognised_by_its_columns_and_read_as_a_sample(layout_id: str) -> None:
    row = ROWS[layout_id]
    layout, missing = detect_layout(row)
    assert (layout.id, missing) == (layout_id, ())
    (sample,), notes = read(row)
    assert (sample.question, sample.options, sample.target) == (QUESTION, {}, None)
    assert (sample.reasoning, sample.answer) == (THINKING, ANSWER)
    assert list(notes.layouts) == [layout.label]
    assert not notes.left_out


MEDREASON = {
    "dataset_name": "medmcqa",
    "id_in_dataset": 7,
    "question": QUESTION,
    "answer": "Thyroid gland. Explanation: It holds the iodine.",
    "reasoning": THINKING,
    "options": "Answer Choices:\nA. Adrenal gland\nB. Thyroid gland\nC. Pancreas",
}


@pytest.mark.parametrize(
    "answer", ["Thyroid gland. Explanation: It holds the iodine.", "thyroid gland.", "(B) Thyroid gland"]
)
def test_a_row_of_medreason_has_its_options_as_lines_and_its_target_in_words(answer: str) -> None:
    (sample,), notes = read(MEDREASON | {"answer": answer})
    assert (sample.question, sample.options, sample.target) == (QUESTION, OPTIONS, "B")
    assert (sample.reasoning, sample.answer, sample.source) == (THINKING, answer, "medmcqa")
    assert list(notes.layouts) == ["MedReason"]


def test_an_answer_of_medreason_that_is_no_option_has_no_target() -> None:
    (sample, open_one), _ = read(MEDREASON | {"answer": "The liver"}, MEDREASON | {"options": ""})
    assert (sample.target, sample.options) == (None, OPTIONS)
    assert (open_one.target, open_one.options) == (None, {})


@pytest.mark.parametrize("layout_id", ["huatuogpt-o1", "alpaca", "sharegpt", "messages", "s1k"])
def test_options_in_the_question_are_taken_out_of_it(layout_id: str) -> None:
    row = json.loads(json.dumps(ROWS[layout_id]).replace(QUESTION, LETTERED.replace("\n", "\\n")))
    (sample,), _ = read(row)
    assert (sample.question, sample.options, sample.target) == (QUESTION, OPTIONS, None)


@pytest.mark.parametrize(
    "text",
    [
        INLINE,
        f"{THINKING}</think>{ANSWER}",
        f"<thinking>{THINKING}</thinking>\n<answer>{ANSWER}</answer>",
        f"## Thinking\n\n{THINKING}\n\n## Final Response\n\n{ANSWER}",
        f"## Thinking\n\n{THINKING}\n\n## Final Answer\n\n{ANSWER}",
    ],
)
def test_thinking_is_taken_out_of_the_answer_s_text(text: str) -> None:
    assert take_apart(text) == (THINKING, ANSWER)
    for row in (
        {"instruction": QUESTION, "output": text},
        {"Question": QUESTION, "Complex_CoT": "", "Response": text},
        {"conversations": [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": text}]},
        {"messages": [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": text}]},
    ):
        (sample,), _ = read(row)
        assert (sample.reasoning, sample.answer) == (THINKING, ANSWER)


def test_an_answer_without_thinking_has_none() -> None:
    (sample,), _ = read({"instruction": QUESTION, "output": ANSWER})
    assert (sample.reasoning, sample.answer) == ("", ANSWER)


def test_of_several_turns_the_first_is_taken_and_what_is_left_out_is_counted() -> None:
    turns = [
        {"role": "system", "content": "You are careful."},
        *ROWS["messages"]["messages"],
        {"role": "user", "content": "And why?"},
        {"role": "assistant", "content": "Because of iodine."},
    ]
    samples, notes = read({"messages": turns}, {"messages": turns}, ROWS["messages"])
    assert [(each.question, each.reasoning, each.answer) for each in samples] == [(QUESTION, THINKING, ANSWER)] * 3
    assert notes.left_out == {"system messages": 2, "further turns": 2}
    _, of_columns = read(ROWS["sharegpt"] | {"system": "You are careful."}, ROWS["sharegpt"] | {"system": ""})
    assert of_columns.left_out == {"system messages": 1}
    _, of_alpaca = read(ROWS["alpaca"] | {"system": "You are careful.", "history": []})
    assert of_alpaca.left_out == {"system messages": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"messages": []}, r"column messages: found no message, expected a question of the user"),
        ({"messages": "hello"}, r"column messages: found \"hello\", expected a list of messages, each with role"),
        ({"messages": [{"role": "user", "content": "Why?"}]}, r"found user, expected a question .* and its answer"),
        ({"conversations": [{"from": "gpt", "value": "Hi"}, {"from": "human", "value": "Hi"}]}, r"found gpt and human"),
        (
            {
                "messages": [
                    {"role": "user", "content": "Why?"},
                    {"role": "assistant", "content": "", "tool_calls": [1]},
                ]
            },
            r"found a tool call, expected an answer in words",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}, {"role": "assistant", "content": "x"}]},
            r"expected messages of text only",
        ),
        ({"messages": [{"role": "user", "content": None}, {"role": "assistant", "content": "x"}]}, r"found nothing"),
        (ROWS["alpaca"] | {"history": [["a", "b"]]}, r"column history: found earlier turns"),
        ({"instruction": QUESTION, "output": "<think>It goes on"}, r"begins with <think> and has no end"),
        (ROWS["s1k"] | {"thinking_trajectories": [1]}, r"column thinking_trajectories: found \[1\]"),
    ],
)
def test_a_row_that_holds_no_question_with_its_answer_is_named(row: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidTrainingData, match=rf"file\.jsonl, line 1: .*{message}"):
        read(row)


def test_a_list_in_a_cell_is_read_as_in_json_lines() -> None:
    cell = json.dumps(ROWS["messages"]["messages"]).replace('"', '""')
    (sample,) = read_samples(io.BytesIO(f'messages\n"{cell}"\n'.encode()), "file.csv")
    assert (sample.question, sample.reasoning, sample.answer) == (QUESTION, THINKING, ANSWER)


def test_a_forced_layout_is_taken_although_another_fits() -> None:
    both = ROWS["s1k"] | ROWS["messages"]
    assert list(read(both)[1].layouts) == ["s1K"]
    assert list(read(both, layout="messages")[1].layouts) == ["chat messages, as of OpenAI"]
    with pytest.raises(InvalidTrainingData, match=r"the layout 'Alpaca', of which the column 'output' is missing"):
        read({"instruction": "x"}, layout="alpaca")
    with pytest.raises(
        InvalidTrainingData, match=r"Unknown layout 'nothing'\. Choose one of corrections, corrected-facts, m1,"
    ):
        read(both, layout="nothing")


@pytest.mark.parametrize("row", [{"question": "Why?", "text": "x"}, {"a": 1}, {"question": "Why?", "answer": "So."}])
def test_a_file_like_no_layout_is_not_said_to_look_like_one(row: dict[str, Any]) -> None:
    with pytest.raises(InvalidTrainingData) as caught:
        read(row)
    assert "its columns are those of no known layout: found '" in str(caught.value)
    assert all(layout.label in str(caught.value) for layout in LAYOUTS)


def test_a_file_that_is_nearly_one_layout_is_said_to_look_like_it() -> None:
    with pytest.raises(InvalidTrainingData, match=r"looks like the layout 'HuatuoGPT-o1', of which .* 'Response' is"):
        read({"Question": "Why?", "Complex_CoT": "x", "Answer": "y"})
