"""`python -m m1app dataset`: what it prints, what it keeps, and what it says when it cannot."""

import json
from pathlib import Path
from typing import Any

import pytest

from m1app.cli.main import main
from storage.database import Database
from tests.e2e.running_app import closed_port
from tests.m1app.cli.command_line import assert_one_line
from tests.m1app.training.preferences.pair_cases import stored_contrasts
from tests.m1app.training.pruning.judging_server import CHECK, OTHER, SLIP, judge, write_reasonings
from tests.m1app.training.pruning.judging_server import MODEL as JUDGE
from tests.m1app.training.training_cases import a_sample, jsonl, some_samples
from tests.models.engine.scripted_server import MODEL, Script, fail, serving


@pytest.fixture
def home(tmp_path: Path, no_settings: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without an engine: data sets need none."""
    monkeypatch.setenv("M1_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("M1_ENGINE_URL", f"http://127.0.0.1:{closed_port()}")
    return tmp_path / "home"


@pytest.fixture
def traces(tmp_path: Path) -> str:
    """A file of twelve samples: one stands twice, one contradicts its target, one names no option."""
    odd = [
        a_sample(question="Wrong?", answer="The answer is B."),
        a_sample(question="Silent?", answer="Who knows."),
        some_samples(1)[0],
    ]
    path = tmp_path / "traces.jsonl"
    path.write_bytes(jsonl([sample.as_row() for sample in [*some_samples(9), *odd]]))
    return str(path)


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["dataset", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_build_list_show_delete(home: Path, traces: str, capsys: pytest.CaptureFixture[str]) -> None:
    built = run_json(capsys, "build", traces, "--name", "exam")
    assert (built["data_set"]["id"], built["samples"]) == ("exam:v1", 9)
    assert [(step["step"], step["before"], step["kept"]) for step in built["steps"]] == [
        ("overlap", 12, 12),
        ("verify", 12, 10),
        ("length", 10, 10),
        ("deduplicate", 10, 9),
        ("draw", 9, 9),
    ]
    assert run_json(capsys, "list") == [built["data_set"]]
    assert run_json(capsys, "show", "exam")["sources"][0]["name"] == "traces.jsonl"
    assert main(["dataset", "show", "exam:v1"]) == 0
    assert "# exam, version 1" in capsys.readouterr().out
    assert main(["dataset", "delete", "exam:v1"]) == 0
    assert capsys.readouterr().out == "deleted exam:v1 (9 samples)\n"
    assert run_json(capsys, "list") == []
    assert not (home / "training-data" / "exam").exists()


def test_build_says_each_step_and_warns_of_few_samples(
    home: Path, traces: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dataset", "build", traces, "--name", "exam"]) == 0
    said = capsys.readouterr()
    assert "10 answers agree with their target, 1 contradict it, 1 name no single option" in said.out
    assert "exam:v1: 9 samples in " in said.out
    assert "note: Only 9 samples" in said.err


def test_options_reach_the_plan(home: Path, traces: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--keep-duplicates", "--keep-overlap", "--keep-unverified", "--balance", "source", "--limit", "8")
    more = ("--max-tokens", "0", "--min-reasoning", "5", "--seed", "3", "--keep", "0123456789ab", "--facts-alone")
    run_json(capsys, "build", traces, "--name", "exam", *options, *more)
    assert run_json(capsys, "show", "exam")["plan"] == {
        "deduplicate": False,
        "overlap_ngram": 0,
        "verified_only": False,
        "balance": "source",
        "limit": 8,
        "max_tokens": None,
        "min_reasoning_characters": 5,
        "seed": 3,
        "exclude_answered_by_run": "",
        "prune_steps": None,
        "prune_model": "",
        "keep": ["0123456789ab"],
        "facts_alone": True,
        "learn_from": [],
        "pairs": [],
        "pairs_per_question": None,
    }


def test_dry_run_keeps_nothing(home: Path, traces: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "build", traces, "--name", "exam", "--dry-run"]) == 0
    assert "9 samples would be kept" in capsys.readouterr().out
    assert run_json(capsys, "list") == []


def test_show_renders_samples_by_a_profile(home: Path, traces: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_json(capsys, "build", traces, "--name", "exam")
    assert main(["dataset", "show", "exam", "--profile", "m1"]) == 0
    text = capsys.readouterr().out
    assert "[prompt, not trained on]\n<|im_start|>system" in text
    assert "[reasoning]\nCortisol is a steroid." in text
    assert "[end]\n<|im_end|>" in text
    shown = run_json(capsys, "show", "exam", "--profile", "m1", "--samples", "2")
    assert [part[0] for part in shown["samples"][1]["rendered"]["parts"]][:2] == ["open", "reasoning"]


def test_show_says_which_samples_are_longer_than_a_block(
    home: Path, traces: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_json(capsys, "build", traces, "--name", "exam")
    with serving(Script(fail(500, {}))) as server:
        monkeypatch.setenv("M1_ENGINE_URL", server.url)
        asked = ("show", "exam", "--profile", "m1", "--model", MODEL)
        (sample,) = run_json(capsys, *asked, "--block-size", "100")["samples"]
        total = sample["prompt_tokens"] + sum(sample["part_tokens"])
        assert sample["note"] == f"It has {total:,} tokens, more than the 100 of a block."
        assert run_json(capsys, *asked, "--block-size", str(total))["samples"][0]["note"] == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "nope"), "Data set 'nope' not found"),
        (
            ("show", "nope", "--profile", "m1", "--block-size", "9"),
            "--block-size needs token counts",
        ),
        (("delete", "nope:v2"), "Data set 'nope' not found"),
        (("build", "--name", "exam"), "No source of samples"),
        (("build", "nowhere.json", "--name", "exam"), "nowhere.json: the file cannot be read"),
        (("build", "x.json", "--name", "exam", "--balance", "domain"), "needs a limit"),
        (("build", "x.json", "--name", "exam", "--limit", "2"), "limit: "),
        (("build", "x.json", "--name", "a/b"), "is not a data set name"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert main(["dataset", *arguments]) == 1
    assert_one_line(capsys.readouterr().err, words)


def test_tiny_data_is_refused_with_what_dropped_it(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "few.jsonl"
    path.write_bytes(jsonl([sample.as_row() for sample in some_samples(9, answer="The answer is B.")]))
    assert main(["dataset", "build", str(path), "--name", "few"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: 0 of 9 samples are left, but fine-tuning needs at least 8")
    assert "9 at verify" in said


def test_a_file_s_layout_is_said_and_can_be_forced(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"instruction": f"Which salt {n}?", "output": f"<think>Salt {n}.</think>Salt {n}.", "system": "Be careful."}
        for n in range(9)
    ]
    path = tmp_path / "alpaca.jsonl"
    path.write_bytes(jsonl(rows))
    assert main(["dataset", "build", str(path), "--name", "salts", "--keep-unverified"]) == 0
    said = capsys.readouterr().err
    assert "alpaca.jsonl: read as Alpaca; left out: system messages of 9 rows" in said
    (source,) = run_json(capsys, "show", "salts")["sources"]
    assert (source["layout"], source["left_out"]) == ("Alpaca", "system messages of 9 rows")
    assert main(["dataset", "build", str(path), "--name", "salts", "--layout", "messages", "--dry-run"]) == 1
    assert_one_line(capsys.readouterr().err, "its columns are those of no known layout")
    with pytest.raises(SystemExit):
        main(["dataset", "build", str(path), "--name", "salts", "--layout", "nothing"])


def test_reasoning_is_pruned_as_a_dry_run_has_said(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = (str(write_reasonings(tmp_path)), "--name", "short", "--keep-unverified", "--prune-steps", "0.6")
    with serving(judge()) as server:
        monkeypatch.setenv("M1_ENGINE_URL", server.url)
        planned = run_json(capsys, "build", *asked, "--dry-run")["pruning"]
        assert (planned["requests"], planned["probed_samples"], planned["model"]) == (45, 9, JUDGE)
        assert server.completions == []
        assert main(["dataset", "build", *asked, "--prune-model", JUDGE]) == 0
        assert len(server.completions) == 45
    printed = capsys.readouterr()
    assert "prune              10 ->       10  18 of 27 functional steps pruned in 9 samples" in printed.out
    assert "pruning: 10 of 10 samples, 45 letter probes" in printed.err
    card = run_json(capsys, "show", "short")
    assert card["plan"]["prune_steps"] == 0.6
    pruning = card["pruning"]
    assert (pruning["pruned_samples"], pruning["pruned"]["correction"]) == (9, 0)
    assert pruning["kept_whole"] == {"open question, without options": 1}
    assert pruning["tokens_before"] - pruning["tokens_after"] == 9 * len(f"{CHECK}\n\n{OTHER}\n\n")
    rows = (home / "training-data" / "short" / "v1" / "samples.jsonl").read_text().splitlines()
    assert all(CHECK not in json.loads(row)["reasoning"] for row in rows)
    assert sum(SLIP in json.loads(row)["reasoning"] for row in rows) == 9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--prune-steps", "1.5"), "prune_steps: Input should be less than or equal to 1"),
        (("--prune-steps", "0"), "prune_steps: Input should be greater than 0"),
        (("--prune-model", "any"), "--prune-model needs --prune-steps"),
    ],
)
def test_a_pruning_that_cannot_be_is_refused_before_anything_is_read(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert main(["dataset", "build", "x.json", "--name", "exam", *arguments]) == 1
    assert_one_line(capsys.readouterr().err, words)


def test_preference_pairs_are_built_listed_and_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    database.migrate()
    stored_contrasts(database, 8)
    database.dispose()
    wanted = ["--pairs", "passes", "--pairs", "disputes", "--pairs-per-question", "2", "--name", "preferred"]
    assert main(["dataset", "build", *wanted, "--dry-run"]) == 0
    assert "8 preference pairs would be kept" in capsys.readouterr().out
    built = run_json(capsys, "build", *wanted)
    assert (built["data_set"]["id"], built["data_set"]["kind"], built["samples"]) == ("preferred:v1", "pairs", 8)
    assert main(["dataset", "list"]) == 0
    assert "8 preference pairs" in capsys.readouterr().out
    assert main(["dataset", "show", "preferred", "--profile", "m1"]) == 0
    shown = capsys.readouterr().out
    assert "\\boxed{A}" in shown
    assert "[rejected, the response to avoid]" in shown
    assert "\\boxed{B}<|im_end|>" in shown
    assert main(["dataset", "delete", "preferred:v1"]) == 0
    assert capsys.readouterr().out == "deleted preferred:v1 (8 preference pairs)\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--pairs", "passes", "--own-traces"], "leave out files"),
        (["--pairs", "passes", "--facts-alone"], "facts_alone is for samples"),
        (["--own-traces", "--pairs-per-question", "2"], "pairs_per_question is for preference pairs"),
        (["--pairs", "corrections"], "There are no preference pairs yet"),
    ],
)
def test_pairs_that_cannot_be_built_are_said_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["dataset", "build", *options, "--name", "preferred"]) == 1
    assert said in capsys.readouterr().err
