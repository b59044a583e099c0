"""Files of answers from elsewhere: what each format is read as, and what is said of one that cannot be used."""

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from statsmodels.stats.proportion import proportion_confint

from m1app.benchmark.answer_files.answer_file import open_answers
from m1app.benchmark.answer_files.fields import ChosenFields, target_of
from m1app.benchmark.answer_files.given_answer import GivenAnswer
from m1app.benchmark.answer_files.inspect_files import MAX_SAMPLE_BYTES
from m1app.benchmark.answer_files.scored_file import write_scored
from m1app.benchmark.answer_files.scoring import Tally, scored
from m1app.benchmark.intervals import wilson
from m1app.question.errors import InvalidAnswers
from tests.m1app.benchmark.answer_file_cases import (
    HARNESS,
    INSPECT,
    OPTIONS,
    inspect_archive,
    inspect_document,
    json_lines,
    zstandard_archive,
)

USUAL = ChosenFields()
LETTERED = dict(zip("ABC", OPTIONS, strict=True))


async def answers_of(
    path: Path, chosen: ChosenFields = USUAL, first: int | None = None
) -> tuple[str, int, list[GivenAnswer]]:
    async with open_answers(path, chosen, first) as file:
        return file.layout, file.left_out, [each async for each in file.answers]


async def one_answer(path: Path, *given: Any) -> GivenAnswer:
    _, _, (answer,) = await answers_of(path, *given)
    return answer


async def test_a_sample_of_the_harness_is_scored_by_what_was_generated_not_by_what_its_filter_left(
    tmp_path: Path,
) -> None:
    path = json_lines(tmp_path / "samples_glands.jsonl", HARNESS)
    layout, left_out, (answer,) = await answers_of(path)
    assert (layout, left_out) == ("samples of lm-evaluation-harness", 0)
    assert (answer.text, answer.target) == ("Thyroxine holds iodine. The answer is B.", "B")
    assert (answer.options, answer.question_key, answer.tags) == (LETTERED, "7", ("endocrinology",))
    assert scored(answer, "strict").score.letter == "B"


async def test_a_sample_that_the_harness_repeats_for_each_filter_counts_once(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "samples.jsonl", HARNESS, HARNESS | {"filter": "flexible-extract"})
    _, left_out, answers = await answers_of(path)
    assert (left_out, len(answers)) == (1, 1)


@pytest.mark.parametrize(
    ("doc", "target"),
    [
        ({"question": "Which?", "choices": OPTIONS}, "(B)"),
        ({"sent1": "Which?", "ending0": OPTIONS[0], "ending1": OPTIONS[1], "ending2": OPTIONS[2]}, "B"),
        ({"question": "Which?", "opa": OPTIONS[0], "opb": OPTIONS[1], "opc": OPTIONS[2]}, "Thyroid gland"),
        ({"question": "Which?", "A": OPTIONS[0], "B": OPTIONS[1], "C": OPTIONS[2]}, "B. Thyroid gland"),
        ({"question": "Which?", "choices": {"text": OPTIONS, "label": ["A", "B", "C"]}}, "B"),
        ({"question": "Which?\nA. Adrenal gland\nB. Thyroid gland\nC. Pancreas"}, "B"),
    ],
)
async def test_options_and_target_of_a_task_are_found_under_its_own_names(
    tmp_path: Path, doc: dict[str, Any], target: str
) -> None:
    answer = await one_answer(json_lines(tmp_path / "samples.jsonl", HARNESS | {"doc": doc, "target": target}))
    assert (answer.options, answer.target) == (LETTERED, "B")


async def test_log_likelihoods_are_no_answers(tmp_path: Path) -> None:
    likely = HARNESS | {"resps": [[["-1.5", "False"]], [["-0.5", "True"]]], "target": "1"}
    with pytest.raises(InvalidAnswers, match=r"line 1: this sample has log-likelihoods .*generate_until"):
        await answers_of(json_lines(tmp_path / "samples.jsonl", likely))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.json", inspect_document(INSPECT)),
        ("log.eval", inspect_archive(INSPECT)),
        ("log.eval", zstandard_archive(INSPECT)),
    ],
    ids=["json", "deflated", "zstandard"],
)
async def test_a_log_of_inspect_is_read_in_each_of_its_formats(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    layout, _, (answer,) = await answers_of(tmp_path / name)
    assert layout == "samples of Inspect"
    assert (answer.text, answer.options, answer.target) == ("ANSWER: B", LETTERED, "B")
    assert (answer.question_key, answer.tags) == ("3", ("endocrinology",))


async def test_an_answer_of_inspect_is_found_in_a_message_or_an_attachment_without_its_reasoning(
    tmp_path: Path,
) -> None:
    output = INSPECT["output"] | {"completion": ""}
    kept = {"output": output | {"completion": "attachment://abc"}, "attachments": {"abc": "ANSWER: C"}, "id": 4}
    (tmp_path / "log.json").write_bytes(inspect_document(INSPECT | {"output": output}, INSPECT | kept))
    _, _, answers = await answers_of(tmp_path / "log.json")
    assert [each.text for each in answers] == ["ANSWER: B", "ANSWER: C"]


async def test_several_right_answers_are_a_target_and_failed_samples_are_unanswered(tmp_path: Path) -> None:
    several, failed = INSPECT | {"target": ["A", "B"]}, INSPECT | {"output": {"choices": []}, "id": 4}
    (tmp_path / "log.json").write_bytes(inspect_document(several, failed))
    _, _, answers = await answers_of(tmp_path / "log.json")
    tally = Tally()
    for each in answers:
        tally.add(scored(each, "strict"))
    assert answers[0].target == "A, B"
    assert (tally.n, tally.without_target, tally.judged, tally.correct, tally.unanswered) == (2, 0, 2, 0, 1)


async def test_an_empty_list_of_right_answers_is_no_target(tmp_path: Path) -> None:
    (tmp_path / "log.json").write_bytes(inspect_document(INSPECT | {"target": []}))
    _, _, (answer,) = await answers_of(tmp_path / "log.json")
    assert answer.target is None


TABLE = {"output": "The answer is B.", "options": OPTIONS, "answer_idx": "B", "subject": "Endocrinology"}


@pytest.mark.parametrize("field", ["text", "response", "output", "completion", "generated_text", "prediction"])
async def test_a_table_s_answer_is_found_under_its_usual_names(tmp_path: Path, field: str) -> None:
    row = {name: value for name, value in TABLE.items() if name != "output"} | {field: "The answer is B."}
    layout, _, (answer,) = await answers_of(json_lines(tmp_path / "answers.jsonl", row))
    assert (layout, answer.text, answer.tags) == ("a table of answers", "The answer is B.", ("Endocrinology",))


@pytest.mark.parametrize(
    "text", [["The answer is B."], [{"text": "The answer is B."}], {"content": "The answer is B."}]
)
async def test_a_text_may_be_wrapped_as_servers_wrap_it(tmp_path: Path, text: object) -> None:
    assert (await one_answer(json_lines(tmp_path / "a.jsonl", TABLE | {"output": text}))).text == "The answer is B."


async def test_an_answer_beside_a_target_is_the_model_s(tmp_path: Path) -> None:
    row = {"question": "Which?", "answer": "I choose C.", "options": OPTIONS, "target": "B"}
    answer = await one_answer(json_lines(tmp_path / "a.jsonl", row))
    assert (answer.text, answer.target) == ("I choose C.", "B")


@pytest.mark.parametrize(
    ("numbers", "letters"),
    [((0, 1), "AB"), ((1, 3), "AC"), (("0", "2"), "AC"), ((2.0, 3.0), "BC")],
)
async def test_numbers_of_targets_count_from_what_the_file_shows(
    tmp_path: Path, numbers: tuple[Any, ...], letters: str
) -> None:
    rows = [TABLE | {"answer_idx": number} for number in numbers]
    _, _, answers = await answers_of(json_lines(tmp_path / "a.jsonl", *rows))
    assert [each.target for each in answers] == list(letters)


async def test_numbers_that_may_count_from_0_or_1_are_not_guessed(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "a.jsonl", TABLE | {"answer_idx": 1})
    with pytest.raises(
        InvalidAnswers, match=r"column answer_idx: found 1, which may count from 0 or from 1.*--numbers-from 0"
    ):
        await answers_of(path)
    assert (await one_answer(path, USUAL, 0)).target == "B"
    assert (await one_answer(path, USUAL, 1)).target == "A"


async def test_named_fields_are_taken_before_the_usual_ones(tmp_path: Path) -> None:
    row = TABLE | {"mine": "I choose C.", "alternatives": ["a", "b"], "key": "A"}
    chosen = ChosenFields(text="mine", options="alternatives", target="key")
    answer = await one_answer(json_lines(tmp_path / "a.jsonl", row), chosen)
    assert (answer.text, answer.options, answer.target) == ("I choose C.", {"A": "a", "B": "b"}, "A")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"reply": "B", "options": OPTIONS}, r"line 1: Found the fields reply, options; expected the answer's text in"),
        (TABLE | {"output": 5}, r"line 1: column output: found 5, expected the answer's text"),
        (
            TABLE | {"answer_idx": "F"},
            r'line 1: column answer_idx: found "F", expected .* one of A, B, C, or the text of exactly one option',
        ),
        (TABLE | {"answer_idx": 9}, r"line 1: column answer_idx: found 9, which may count from"),
        (TABLE | {"options": "none"}, r"line 1: column options: found \"none\""),
        (TABLE | {"options": {"A": "a", "a": "b"}}, r"line 1: column options: found \"A, a\", expected letters"),
        (TABLE | {"options": ["x"] * 27}, r"line 1: column options: found 27 options"),
        (TABLE | {"output": "x" * 1_000_001}, r"line 1: found an answer of 1,000,\d+ characters"),
        ([1], r"line 1: found \[1\], expected an object"),
    ],
)
async def test_a_row_that_cannot_be_scored_is_named_with_what_was_found(
    tmp_path: Path, row: object, message: str
) -> None:
    with pytest.raises(InvalidAnswers, match=message):
        await answers_of(json_lines(tmp_path / "answers.jsonl", row))


async def test_a_log_without_samples_says_what_it_is(tmp_path: Path) -> None:
    log, results, archive = tmp_path / "log.json", tmp_path / "results.json", tmp_path / "log.eval"
    log.write_text(json.dumps({"version": 2, "status": "error", "eval": {}}), encoding="utf-8")
    results.write_text(json.dumps({"results": {}, "configs": {}, "versions": {}}), encoding="utf-8")
    archive.write_bytes(inspect_archive())
    for path, message in (
        (log, "an Inspect log without samples"),
        (results, "--log_samples"),
        (archive, "without samples"),
    ):
        with pytest.raises(InvalidAnswers, match=message):
            await answers_of(path)


async def test_a_sample_that_unpacks_to_more_than_it_may_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "log.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples/1_epoch_1.json", b" " * (MAX_SAMPLE_BYTES + 10))
    with pytest.raises(InvalidAnswers, match=r"samples/1_epoch_1.json: found a sample of more than 64 MB"):
        await answers_of(tmp_path / "log.eval")


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04 nothing",
        b"PK\x05\x06",
        zstandard_archive(INSPECT)[:60],
        zstandard_archive(INSPECT).replace(b"\x28\xb5\x2f", b"???"),
    ],
    ids=["no archive", "an empty one", "cut off", "damaged"],  # An archive has the time in it: no name for a test.
)
async def test_a_damaged_archive_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.eval").write_bytes(content)
    with pytest.raises(InvalidAnswers, match=r"log\.eval"):
        await answers_of(tmp_path / "log.eval")


async def test_scored_answers_are_written_with_all_that_explains_them_and_without_formulas(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "a.jsonl", TABLE | {"output": "=1+1\nThe answer is B."})

    async def written(name: str) -> Path:
        async with open_answers(path, USUAL) as file:
            await write_scored(tmp_path / name, (scored(each, "strict") async for each in file.answers), "strict")
        return tmp_path / name

    text = (await written("out.csv")).read_text(encoding="utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["answer"] == "'=1+1\nThe answer is B."
    (table,) = parquet.read_table(await written("out.parquet")).to_pylist()
    assert table["answer"] == "=1+1\nThe answer is B."
    assert (json.loads(table["options"]), json.loads(table["tags"])) == (LETTERED, ["Endocrinology"])
    assert (table["letter"], table["letter_words"], table["letter_rule"]) == ("B", "answer is B", "answer is (en)")
    (line,) = (await written("out.jsonl")).read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["options"] == LETTERED
    # What is written can be scored again.
    assert (await one_answer(tmp_path / "out.parquet")).target == "B"


async def test_a_file_that_cannot_be_scored_leaves_the_output_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("kept", encoding="utf-8")
    with pytest.raises(InvalidAnswers):
        async with open_answers(json_lines(tmp_path / "a.jsonl", {"no": 1}), USUAL) as file:
            await write_scored(tmp_path / "out.csv", (scored(each, "strict") async for each in file.answers), "strict")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "kept"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.jsonl", "out.csv"]


def test_answers_to_the_same_question_narrow_the_interval_less_than_other_questions() -> None:
    def tallied(keys: list[str]) -> Tally:
        tally = Tally()
        for place, key in enumerate(keys):
            text = "The answer is B." if place % 4 < 3 else "The answer is C."
            given = GivenAnswer(where="", text=text, options=LETTERED, target="B", question_key=key, tags=("x",))
            tally.add(scored(given, "strict"))
        return tally

    apart, together = tallied([str(n) for n in range(40)]), tallied([str(n // 10) for n in range(40)])
    assert (apart.has_repeats, together.has_repeats) == (False, True)
    assert apart.accuracy().value == together.accuracy().value == apart.by_tag()["x"].value
    assert together.accuracy().high - together.accuracy().low > apart.accuracy().high - apart.accuracy().low


@pytest.mark.parametrize(("correct", "n"), [(0, 1), (1, 1), (0, 30), (7, 30), (30, 30), (123, 456)])
def test_the_interval_is_wilson_s(correct: int, n: int) -> None:
    found = wilson(correct, n)
    assert (found.low, found.high) == pytest.approx(proportion_confint(correct, n, method="wilson"))


def test_targets_in_lists_within_a_list_are_each_letter_once() -> None:
    assert target_of([["A"], ["B", "A"]], {"A": "Insulin", "B": "Ramipril"}, "target", None) == "A, B"
