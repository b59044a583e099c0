"""A sweep as JSON, CSV and text."""

import csv
import io
import json
from dataclasses import replace

from m1app.runs.sweep_export import sweep_csv, sweep_json, sweep_text
from storage.traces.records import TraceState
from tests.m1app.runs.sweep_samples import PASS, SNAPSHOT, SWEEP, a_checkpoint
from tests.m1app.runs.trace_samples import HOSTILE

PROMISED = {
    "budget",
    "rounds",
    "thinking_tokens",
    "finish_reason",
    "letter",
    "correct",
    "answer",
    "option_probabilities",
}


def test_json_holds_every_cell_and_the_accounting() -> None:
    content = json.loads(json.dumps(sweep_json(SNAPSHOT)))
    assert (content["tokens_generated"], content["tokens_if_separate"], content["seconds"]) == (60, 180, 3.5)
    assert len(content["cells"]) == 6
    assert all(cell.keys() >= PROMISED for cell in content["cells"])
    second = content["cells"][1]
    assert (second["budget"], second["rounds"], second["thinking_tokens"], second["finish_reason"]) == (
        16,
        0,
        14,
        "natural",
    )
    assert (second["letter"], second["correct"], second["answer"]) == ("A", True, " A")
    assert [flip["kind"] for flip in content["passes"][0]["flips"]] == ["wrong to right", "right to wrong"]


def test_csv_has_a_row_for_each_cell_and_survives_hostile_answers() -> None:
    run = replace(PASS, checkpoints=(a_checkpoint(((8, 0),), 8, 22, text=HOSTILE),))
    rows = list(csv.DictReader(io.StringIO(sweep_csv(replace(SNAPSHOT, passes=(run,))), newline="")))
    assert len(rows) == 6
    assert rows[0]["answer"] == HOSTILE
    assert (rows[0]["letter"], rows[0]["correct"], rows[0]["target"]) == ("B", "False", "A")
    assert (rows[1]["state"], rows[1]["letter"]) == ("missing", "")


def test_csv_answer_that_looks_like_a_formula_is_made_harmless() -> None:
    run = replace(PASS, checkpoints=(a_checkpoint(((8, 0),), 8, 22, text='=HYPERLINK("http://leak")'),))
    rows = list(csv.DictReader(io.StringIO(sweep_csv(replace(SNAPSHOT, passes=(run,))))))
    assert rows[0]["answer"] == '\'=HYPERLINK("http://leak")'


def test_text_shows_the_grid_the_flips_and_the_cost() -> None:
    text = sweep_text(SNAPSHOT)
    assert "     0 |              B-       A+       A+" in text
    assert "     1 |              B-       A+       B-" in text
    assert "wrong to right (B to A): No, the adrenal cortex makes it." in text
    assert "60 tokens generated in 3.5 s; separate runs of every cell: 180 tokens" in text


def test_text_of_a_flip_from_no_option_says_so() -> None:
    first, *rest = PASS.checkpoints
    run = replace(PASS, checkpoints=(replace(first, letter=None, is_correct=False), *rest))
    text = sweep_text(replace(SNAPSHOT, passes=(run,)))
    assert "(none to A)" in text
    assert "None" not in text


def test_text_says_what_is_missing() -> None:
    stopped = replace(SNAPSHOT, sweep=replace(SWEEP, state=TraceState.STOPPED), passes=(replace(PASS, checkpoints=()),))
    assert "missing" in sweep_text(stopped)


def test_a_cell_says_what_its_letter_rests_on() -> None:
    read = {"letter_rule": "stated: answer is (en)", "letter_start": 5, "letter_end": 16, "strict_version": 2}
    run = replace(PASS, checkpoints=(a_checkpoint(((8, 0),), 8, 22, text=" The answer is B.", **read),))
    snapshot = replace(SNAPSHOT, passes=(run,))
    [row, *others] = csv.DictReader(io.StringIO(sweep_csv(snapshot)))
    assert (row["letter_rule"], row["letter_words"]) == ("stated: answer is (en)", "answer is B")
    assert row["strict_version"] == "2"
    assert {each["letter_words"] for each in others} == {""}
    assert sweep_json(snapshot)["cells"][0]["letter_words"] == "answer is B"
