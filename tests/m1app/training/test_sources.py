"""Files of reasoning traces: every layout, and what is said of a bad one."""

import io
import json
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from m1app.training.errors import InvalidTrainingData
from m1app.training.samples import TrainingSample, question_hash, sample_of
from m1app.training.sources import MAX_SAMPLE_CHARACTERS, read_samples, sample_messages
from tests.m1app.training.training_cases import OPTIONS, SAMPLE, a_sample, jsonl

REASONING: dict[str, Any] = {
    "question": "Which gland makes cortisol?",
    "options": OPTIONS,
    "answer": "Adrenal gland",
    "answer_idx": "A",
    "reasoning": "A steroid of the cortex.",
    "response": "The adrenal gland.",
}
# The columns of UCSC-VLAA/m23k-tokenized, with a question of our own.
M23K: dict[str, Any] = {
    "answer_idx": 1,
    "source": "GBaker/MedQA-USMLE-4-options",
    "metadata": "{}",
    "prompt": "Which gland makes thyroxine?\nA. Adrenal gland\nB. Thyroid gland\nC. Pancreas",
    "answer_letter": "B",
    "answer_string": "Thyroid gland",
    "reasoning": "Thyroxine holds iodine.",
    "distilled_answer_string": "\\boxed{B}",
    "text": "<|im_start|>system",
}


def samples_of(content: bytes, name: str) -> tuple[TrainingSample, ...]:
    return tuple(read_samples(io.BytesIO(content), name))


def read_rows(*rows: dict[str, Any], name: str = "file.jsonl") -> Any:
    return samples_of(jsonl(list(rows)), name)


def test_reasoning_json_keeps_response_as_the_answer_and_the_letter_as_the_target() -> None:
    (sample,) = samples_of(json.dumps([REASONING]).encode(), "traces.json")
    assert (sample.question, sample.options, sample.target) == (REASONING["question"], OPTIONS, "A")
    assert (sample.reasoning, sample.answer) == ("A steroid of the cortex.", "The adrenal gland.")
    assert (sample.domain, sample.source) == ("", "traces")


def test_m23k_prompt_is_taken_apart_into_question_and_options() -> None:
    (sample,) = read_rows(M23K)
    assert sample.question == "Which gland makes thyroxine?"
    assert (sample.options, sample.target) == (OPTIONS, "B")
    assert (sample.reasoning, sample.answer) == ("Thyroxine holds iodine.", "\\boxed{B}")
    assert sample.source == "GBaker/MedQA-USMLE-4-options"


def test_m1k_has_a_domain() -> None:
    (sample,) = read_rows(M23K | {"domain_code": "20", "domain_name": "Metabolism"})
    assert sample.domain == "Metabolism"


def test_m23k_prompt_whose_options_cannot_be_told_apart_stays_an_open_question() -> None:
    prompt = "Which of these?\nA. One\nC. Three\nD. Four"
    (sample,) = read_rows(M23K | {"prompt": prompt})
    assert (sample.question, sample.options, sample.target) == (prompt, {}, None)


def test_rows_of_a_data_set_come_back_as_they_left() -> None:
    samples = [SAMPLE, a_sample(options={}, target=None, question="Why?", domain="", answer="Because\u2028so.")]
    content = jsonl([sample.as_row() for sample in samples])
    assert samples_of(content, "samples.jsonl") == tuple(samples)
    assert [sample_of(json.loads(line)) for line in content.decode().splitlines()] == samples


def test_parquet_and_csv_say_the_same_as_json_lines() -> None:
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist([REASONING]), buffer)
    cells = [REASONING | {"options": json.dumps(OPTIONS)}]
    header = ",".join(cells[0])
    quoted = ",".join('"' + str(value).replace('"', '""') + '"' for value in cells[0].values())
    expected = read_rows(REASONING)
    assert samples_of(buffer.getvalue(), "file.parquet") == expected
    assert samples_of(f"{header}\n{quoted}\n".encode(), "file.csv") == expected


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({name: REASONING[name] for name in ("question", "options", "response")}, "reasoning"),
        ({name: M23K[name] for name in ("prompt", "reasoning", "answer_letter")}, "distilled_answer_string"),
    ],
)
def test_missing_column_is_named_with_those_that_were_found(row: dict[str, Any], column: str) -> None:
    with pytest.raises(
        InvalidTrainingData, match=rf"file\.jsonl: .*the column '{column}' is missing; found '"
    ) as caught:
        read_rows(row)
    assert "Name the columns as one of these" in str(caught.value)


def test_row_without_a_column_that_others_have_is_named() -> None:
    short = {name: value for name, value in REASONING.items() if name != "reasoning"}
    with pytest.raises(InvalidTrainingData, match=r"file\.jsonl, line 2: column reasoning is missing"):
        read_rows(REASONING, short)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer_idx": "F"}, r"line 1: column answer_idx: found \"F\""),
        ({"answer": "Pancreas"}, r"line 1: column answer: .*this is option C"),
        ({"question": " "}, r"line 1: column question"),
        ({"options": {"A": "one"}}, r"line 1: column options: found 1 options"),
        ({"reasoning": ["steps"]}, r"line 1: column reasoning"),
        ({"response": "NUL \0"}, r"line 1: found U\+0000 in the answer at character 5"),
        ({"options": OPTIONS | {"B": "\ud800"}}, r"line 1: found U\+D800 in option B at character 1"),
    ],
)
def test_bad_row_is_refused_with_line_and_column(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidTrainingData, match=message):
        read_rows(REASONING | changes)


def test_ten_of_many_bad_rows_are_listed_and_the_rest_is_counted() -> None:
    with pytest.raises(InvalidTrainingData) as caught:
        read_rows(*[REASONING | {"answer_idx": "F"}] * 13)
    lines = str(caught.value).splitlines()
    assert len(lines) == 12
    assert lines[10:] == ["... and 3 more.", "Nothing was imported. Correct or remove these rows."]


@pytest.mark.parametrize("content", [b"", b"\n", b"[]"])
def test_empty_file_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidTrainingData, match=r"file\.jsonl"):
        samples_of(content, "file.jsonl")


def test_file_that_is_no_table_is_refused_as_training_data() -> None:
    with pytest.raises(InvalidTrainingData, match=r"weights\.gguf: found a name that ends with \.gguf"):
        samples_of(b"GGUF", "weights.gguf")


def test_exported_correction_becomes_a_sample_with_the_fact_in_place() -> None:
    thinking = "Cortisol is a peptide. It is made in the adrenal gland."
    start = thinking.index("is a peptide")
    span = {
        "part": "thinking",
        "start": start,
        "end": start + 12,
        "exact": "is a peptide",
        "labels": ["incorrect_fact"],
    }
    (sample,) = read_rows(
        {
            "case_id": "c",
            "question": REASONING["question"],
            "options": [{"letter": letter, "text": text} for letter, text in OPTIONS.items()],
            "answer_idx": "A",
            "answer": "Adrenal gland",
            "model": "m",
            "reasoning": thinking,
            "response": "The answer is A.",
            "spans": [span | {"severity": "mild", "corrected_fact": "is a steroid", "evidence": []}],
            "corrected_facts": ["is a steroid"],
        },
        name="annotations-corrected.jsonl",
    )
    assert sample.reasoning == "Cortisol is a steroid. It is made in the adrenal gland."
    assert (sample.answer, sample.target, sample.source) == ("The answer is A.", "A", "corrections")


def test_questions_that_differ_in_case_spacing_and_order_of_options_are_one() -> None:
    swapped = {"A": "pancreas", "B": "ADRENAL  gland", "C": "Thyroid gland"}
    assert question_hash(" which GLAND?", swapped) == question_hash("Which  gland ?", OPTIONS)
    assert question_hash("Which gland?", OPTIONS) != question_hash("Which gland?", OPTIONS | {"C": "Spleen"})


def test_a_sample_that_is_too_long_is_named_with_its_line() -> None:
    row = REASONING | {"reasoning": "x" * MAX_SAMPLE_CHARACTERS}
    with pytest.raises(InvalidTrainingData, match=r"line 2: found a sample of 1,000,\d+ characters"):
        samples_of(jsonl([REASONING, row]), "a.jsonl")


def test_how_the_text_of_a_file_was_decoded_is_part_of_what_it_was_read_as() -> None:
    row = 'question,reasoning,response,options,answer_idx\nRené?,thinking,It is A.,"{""A"": ""x"", ""B"": ""y""}",A\n'
    *_, last = sample_messages(io.BytesIO(row.encode("cp1252")), "traces.csv", "")
    assert last["layout"].startswith("reasoning traces; ")
    assert "Windows-1252" in last["layout"] and "René?" in last["layout"]
