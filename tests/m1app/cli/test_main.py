"""The command line against the real engine: what it prints, how it ends, and what it says when it cannot."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from m1app.cli.main import main
from m1app.question.answers.scoring import STRICT_VERSION
from models.engine.endpoint import Endpoint
from storage.database import Database
from storage.traces.records import Trace, TraceState
from tests.e2e.running_app import closed_port
from tests.m1app.annotation.cases import note, stored_trace
from tests.m1app.cli.command_line import (
    QUESTION,
    ROOT,
    assert_one_line,
    environment,
    run,
    run_as_people_do,
    write_question,
)
from tests.models.servers.server_cases import pids_with_environment, wait_until
from tests.storage.samples import read

pytestmark = pytest.mark.engine

FORMATS = ("jsonl", "label-studio", "argilla")
SHORT = ("--budget", "8", "--answer-cap", "6")
PROGRAMS = [("m1app", ("doctor",)), ("app", ())]
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


@pytest.fixture
def engine(embedded_endpoint: Endpoint) -> dict[str, str]:
    """Settings for the engine that runs already."""
    return {"M1_ENGINE_URL": embedded_endpoint.base_url, "M1_ENGINE_API_KEY": embedded_endpoint.api_key}


def stored(home: Path, trace_id: str) -> Trace:
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    try:
        return read(database, trace_id)
    finally:
        database.dispose()


def test_probe_prints_one_object_with_exact_accounting_and_keeps_the_trace(
    tmp_path: Path, engine: dict[str, str]
) -> None:
    home = tmp_path / "new" / "home"
    done = run("probe", "--question", write_question(tmp_path / "q.json"), *SHORT, "--json", home=home, **engine)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    content = json.loads(done.stdout)
    assert content.keys() >= PROMISED
    assert [s["kind"] for s in content["segments"]] == ["think", "close", "answer"]
    assert all(s.keys() >= {"kind", "text", "token_count"} for s in content["segments"])
    assert all(s["token_count"] == len(s["token_ids"]) for s in content["segments"])
    think, _, answer = content["segments"]
    assert (content["thinking_tokens"], content["finish_reason"]) == (8, "budget")
    assert think["token_count"] == 8
    assert (content["answer"], answer["token_count"] <= 6) == (answer["text"], True)
    assert content["letter"] in (None, "A", "B")
    assert content["correct"] is (content["letter"] == "A")
    assert content["option_probabilities"].keys() == {"A", "B"}
    assert all(0 <= p <= 1 for p in content["option_probabilities"].values())
    assert content["seconds"] > 0
    assert (content["engine"]["name"], content["engine"]["kind"]) == ("remote", "llama.cpp")
    assert content["engine"]["model"] == "smollm2-135m"
    kept = stored(home, content["trace_id"])
    assert (kept.state, kept.answer_text) == (TraceState.COMPLETED, content["answer"])
    assert [list(s.token_ids) for s in kept.segments] == [s["token_ids"] for s in content["segments"]]


def test_sweep_prints_every_cell_with_its_accounting(tmp_path: Path, engine: dict[str, str]) -> None:
    grid = ("--budgets", "8,16", "--force-rounds", "0,1", "--answer-cap", "6")
    question = write_question(tmp_path / "q.json")
    done = run("sweep", "--question", question, *grid, "--json", home=tmp_path, **engine)
    assert (done.returncode, done.stderr) == (0, "")
    content = json.loads(done.stdout)
    assert [(cell["budget"], cell["rounds"]) for cell in content["cells"]] == [(8, 0), (16, 0), (8, 1), (16, 1)]
    assert all(cell["thinking_tokens"] <= cell["budget"] for cell in content["cells"])
    assert all(cell["option_probabilities"].keys() == {"A", "B"} for cell in content["cells"])
    assert content["tokens_generated"] < content["tokens_if_separate"]
    text = run("sweep", "--question", question, *grid, home=tmp_path, **engine)
    assert (text.returncode, text.stderr) == (0, "")
    assert "rounds | budget        8       16" in text.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--budgets", "8,x"), "--budgets"),
        (("--budgets", "0"), "A thinking budget is 0"),
        (("--force-rounds", "9"), "from 0 to 8"),
    ],
)
def test_sweep_with_a_bad_grid_says_so(
    tmp_path: Path, engine: dict[str, str], arguments: tuple[str, ...], says: str
) -> None:
    question = write_question(tmp_path / "q.json")
    done = run("sweep", "--question", question, *arguments, home=tmp_path, **engine)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_question_comes_from_standard_input_and_the_text_is_streamed(tmp_path: Path, engine: dict[str, str]) -> None:
    done = run(
        "probe", "--question", "-", *SHORT, home=tmp_path, stdin=json.dumps({"question": "Why is blood red?"}), **engine
    )
    assert (done.returncode, done.stderr) == (0, "")
    trace = stored(tmp_path, done.stdout.rpartition("trace: ")[2].strip())
    headings = {"think": "\n[thinking]\n", "close": "\n[closing] ", "answer": "\n[answer]\n"}
    streamed = "".join(headings[s.kind.value] + s.text for s in trace.segments)
    assert done.stdout.startswith(streamed)
    assert "verdict: not scored" in done.stdout
    assert "thinking: 8 of 8 tokens, ended: budget" in done.stdout
    assert trace.question.options == {}


def test_forced_rounds_and_seed_of_the_command_are_the_trace_s(tmp_path: Path, engine: dict[str, str]) -> None:
    knobs = (
        "--force-rounds",
        "2",
        "--temperature",
        "0.8",
        "--top-p",
        "0.9",
        "--seed",
        "5",
        "--profile",
        "plain-chatml",
    )
    question = write_question(tmp_path / "q.json")
    outputs = [
        run("probe", "--question", question, *SHORT, *knobs, "--json", home=tmp_path, **engine) for _ in range(2)
    ]
    first, second = (json.loads(done.stdout) for done in outputs)
    settings = first["settings"]
    assert (settings["force_rounds"], settings["temperature"], settings["top_p"], settings["seed"]) == (2, 0.8, 0.9, 5)
    assert first["trace_id"] != second["trace_id"]
    assert first["segments"][0]["token_ids"] == second["segments"][0]["token_ids"]


def test_probe_starts_and_ends_the_embedded_engine_by_itself(home_with_model: Path) -> None:
    settings = {"M1_THREADS": "2", "M1_CONTEXT_LENGTH": "512", "M1_PARALLEL_REQUESTS": "1"}
    question = write_question(home_with_model / "q.json")
    done = run("probe", "--question", question, *SHORT, "--json", home=home_with_model, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    content = json.loads(done.stdout)
    assert (content["engine"]["name"], content["thinking_tokens"]) == ("embedded", 8)
    assert wait_until(lambda: not pids_with_environment(f"M1_HOME={home_with_model}"))


def test_interrupt_keeps_what_was_generated(tmp_path: Path, engine: dict[str, str]) -> None:
    # A forced round at every stop keeps the model thinking until it is interrupted.
    arguments = ("probe", "--question", write_question(tmp_path / "q.json"), "--budget", "1400", "--force-rounds", "8")
    with subprocess.Popen(
        [sys.executable, "-m", "m1app", *arguments],
        cwd=ROOT,
        env=environment(tmp_path, **engine),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts what runs in the background with interrupts ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        seen = "".join(process.stdout.read(1) for _ in range(40))
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "Interrupted; everything generated so far is saved.\n")
    listed = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    trace = read(listed, _only_trace_id(listed))
    listed.dispose()
    assert trace.state is TraceState.INTERRUPTED
    assert seen.removeprefix("\n[thinking]\n").strip() in trace.thinking_text


def _only_trace_id(database: Database) -> str:
    from storage.traces.listing import TraceFilter
    from storage.traces.repository import TraceRepository

    with database.session(is_read_only=True) as session:
        (item,) = TraceRepository(session).list(TraceFilter(), limit=2).items
    return item.id


def test_engine_that_does_not_answer_is_one_line_and_names_the_setting(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    question = write_question(tmp_path / "q.json")
    done = run("probe", "--question", question, "--json", home=tmp_path, M1_ENGINE_URL=url)
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done.stderr, "No engine is responding", "M1_ENGINE_URL")


def test_wrong_key_is_one_line_and_does_not_repeat_the_key(tmp_path: Path, engine: dict[str, str]) -> None:
    settings = engine | {"M1_ENGINE_API_KEY": "sk-wrong-9d1c"}
    done = run("probe", "--question", write_question(tmp_path / "q.json"), home=tmp_path, **settings)
    assert done.returncode == 1
    assert_one_line(done.stderr, "M1_ENGINE_API_KEY")
    assert "sk-wrong-9d1c" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("m1app", ("doctor",)), ("m1app", ("probe", "--question", "-")), ("app", ())],
)
def test_database_of_a_newer_version_is_left_alone(tmp_path: Path, module: str, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "m1.sqlite3"
    Database(f"sqlite:///{file}").migrate()
    _sqlite(file, "UPDATE alembic_version SET version_num = '9999'")
    done = run(*arguments, home=tmp_path, module=module, M1_ENGINE_URL="http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (1, "")
    assert "made by a newer version of m1app" in done.stderr
    assert "Traceback" not in done.stderr
    assert _sqlite(file, "SELECT version_num FROM alembic_version") == [("9999",)]


def _sqlite(file: Path, statement: str) -> list[Any]:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(statement).fetchall()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"M1_PORT": "abc"}, "M1_PORT"),
        ({"M1_ENGINE": "remote"}, "M1_ENGINE_URL"),
        ({"M1_LOG_LEVEL": "chatty"}, "M1_LOG_LEVEL"),
    ],
)
@pytest.mark.parametrize(("module", "arguments"), PROGRAMS)
def test_wrong_setting_ends_the_program_before_anything_is_made(
    tmp_path: Path, module: str, arguments: tuple[str, ...], settings: dict[str, str], words: str
) -> None:
    home = tmp_path / "home"
    done = run(*arguments, home=home, module=module, **settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not home.exists()


@pytest.mark.parametrize("program", [("-m", "m1app", "doctor"), ("app.py",)])
def test_a_file_in_the_home_s_place_is_named(tmp_path: Path, program: tuple[str, ...]) -> None:
    home = tmp_path / "home"
    home.write_text("not a folder", encoding="utf-8")
    done = run_as_people_do(*program, home=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert "M1_HOME" in done.stderr
    assert str(home) in done.stderr
    assert "Traceback" not in done.stderr
    assert home.read_text(encoding="utf-8") == "not a folder"


BROKEN_CATALOG = """
[[model]]
id = "my-model"
title = "Mine"
family = "Mine"
parameters = "1B"
source = "hf:ORG/REPO"
licence = "MIT"
licence_url = "https://example.org/licence"
context_length = "long"
profile = "plain"
engines = ["vllm"]
notes = "Mine."
"""


@pytest.mark.parametrize(("module", "arguments"), PROGRAMS)
def test_a_catalog_with_an_error_is_told_with_file_entry_and_field(
    tmp_path: Path, module: str, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "catalog.toml").write_text(BROKEN_CATALOG, encoding="utf-8")
    done = run(*arguments, home=tmp_path, module=module)
    assert (done.returncode, done.stdout) == (1, "")
    expected = f"{tmp_path / 'catalog.toml'}: entry 1 (id 'my-model'): field context_length: found 'long'"
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_finds_everything_in_order(tmp_path: Path, engine: dict[str, str]) -> None:
    done = run("doctor", "--json", home=tmp_path, **engine)
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert list(findings) == ["versions", "disk", "database", "backups", "engine", "generation"]
    assert all(findings[name]["ok"] for name in ("versions", "database", "engine", "generation"))
    assert (done.returncode, done.stderr) == (0 if findings["disk"]["ok"] else 1, "")
    assert "llama.cpp" in findings["engine"]["detail"]
    assert "smollm2-135m, context 2,048 tokens, profile plain-chatml" in findings["engine"]["detail"]
    assert findings["generation"]["detail"] == "8 tokens with their ids"


def test_doctor_prints_a_line_per_finding_and_fails_when_one_does(tmp_path: Path) -> None:
    done = run("doctor", home=tmp_path, M1_ENGINE_URL=f"http://127.0.0.1:{closed_port()}")
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert [line.split(":")[0].split()[-1] for line in lines] == [
        "versions",
        "disk",
        "database",
        "backups",
        "engine",
        "generation",
    ]
    assert [line.startswith("FAILED") for line in lines[2:]] == [False, False, True, True]
    assert "M1_ENGINE_URL" in lines[4]


@pytest.fixture
def probe(
    tmp_path: Path,
    engine: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    no_settings: None,
) -> Any:
    """`probe` in this process: gives exit status and standard error."""
    for name, value in ({"M1_HOME": str(tmp_path / "home")} | engine).items():
        monkeypatch.setenv(name, value)

    def ask(content: Any, *arguments: str) -> tuple[int, str]:
        status = main(["probe", "--question", write_question(tmp_path / "q.json", content), "--json", *arguments])
        printed = capsys.readouterr()
        assert printed.out == ""
        return status, printed.err

    return ask


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{not json", "not valid JSON"),
        ("", "not valid JSON"),
        ("[]", "should be an object"),
        ("{}", "no 'question'"),
        ({"question": 5}, "'question'"),
        ({"question": ""}, "The question is empty"),
        ({"question": "x" * 200_000}, "200,000 characters"),
        ({"question": "a\u0000b"}, "a NUL"),
        ({"question": "a\ud800b"}, "half of a surrogate pair"),
        ('{"question": "q", "options": {"A": "x", "A": "y"}}', "'A' twice"),
        ({"question": "q", "options": {"A": "x", "a": "y"}}, "A"),
        ({"question": "q", "options": [str(n) for n in range(27)]}, "27 options, but only 26 letters"),
        ({"question": "q", "options": {"1": "x", "2": "y"}}, "use one of A to Z"),
        (QUESTION | {"answer_idx": "C"}, "'C' is not one of the options"),
    ],
)
def test_a_question_that_cannot_be_asked_is_one_line(probe: Any, content: Any, words: str) -> None:
    status, error = probe(content)
    assert status == 1
    assert_one_line(error, words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--budget", "0"), "Thinking budget is 0"),
        (("--budget", "-5"), "Thinking budget is -5"),
        (("--budget", "100000"), "does not fit. The model's context is 2,048 tokens"),
        (("--answer-cap", "0"), "Answer cap is 0"),
        (("--answer-cap", "9999"), "too long for this model"),
        (("--force-rounds", "9"), "Force rounds is 9"),
        (("--temperature", "3"), "Temperature is 3"),
        (("--temperature", "nan"), "Temperature is nan"),
        (("--top-p", "0"), "Top-p is 0"),
        (("--seed", "-1"), "Seed is -1"),
        (("--model", "gpt-99"), "does not serve 'gpt-99'. It serves: smollm2-135m"),
        (("--profile", "gpt"), "Unknown profile 'gpt'; choose one of: baichuan-m2, gpt-oss, gpt-oss-high, gpt-oss-low"),
    ],
)
def test_an_option_out_of_its_range_is_one_line(probe: Any, arguments: tuple[str, ...], words: str) -> None:
    status, error = probe(QUESTION, *arguments)
    assert status == 1
    assert_one_line(error, words)


def test_a_file_that_is_not_there_is_named(probe: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "missing.json")
    assert main(["probe", "--question", missing]) == 1
    assert_one_line(capsys.readouterr().err, missing, "No such file")


def test_a_file_that_is_no_text_is_one_line(probe: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # It ended with a traceback once: decoding errors are no OSError.
    file = tmp_path / "latin1.json"
    file.write_bytes('{"question": "Ménière?"}'.encode("latin-1"))
    assert main(["probe", "--question", str(file)]) == 1
    assert_one_line(capsys.readouterr().err, "not UTF-8 text at byte 15")


def test_an_embedded_model_that_is_unknown_is_told_once(
    probe: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("M1_ENGINE_URL")
    monkeypatch.setenv("M1_MODEL", "m1-7b-99k")
    status, error = probe(QUESTION)
    assert status == 1
    assert_one_line(error, "No model 'm1-7b-99k' in the catalog. Did you mean m1-7b-1k")


@pytest.mark.parametrize("text", ["", "[]", "\n\n"])
def test_a_file_without_an_answer_has_no_score(tmp_path: Path, text: str) -> None:
    file = tmp_path / "answers.json"
    file.write_text(text, encoding="utf-8")
    done = run("score", str(file), home=tmp_path)
    assert done.returncode == 1
    assert_one_line(done.stderr, "found no answer, expected at least one")


def test_an_answer_that_is_null_is_named_as_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text("null\n", encoding="utf-8")
    done = run("score", str(file), home=tmp_path)
    assert done.returncode == 1
    assert_one_line(done.stderr, "line 1: found null, expected an object")


def test_answers_from_standard_input_are_scored_with_their_tags(tmp_path: Path) -> None:
    rows = [
        {"response": f"The answer is {letter}.", "options": ["a", "b"], "target": "B", "subject": "Ethics"}
        for letter in "AB"
    ]
    command = f'exec "{sys.executable}" -m m1app score - --by-tag'
    text = "".join(json.dumps(row) + "\n" for row in rows)
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == ("1 of 2 correct by rule strict: 50.0% (9.5% to 90.5%), n = 2; 0 unanswered")
    assert done.stdout.splitlines()[2].split() == [
        "Ethics",
        "50.0%",
        "(9.5%",
        "to",
        "90.5%),",
        "n",
        "=",
        "2",
        "few",
        "questions",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["bench", "--questions", "", "--dry-run"],
        ["bench", "--resume", ""],
        ["finetune", "--resume", " "],
        ["finetune", "--data", "", "--base", "b"],
        ["finetune", "--data", "d", "--base", ""],
        ["probe", "--question", ""],
        ["sweep", "--question", ""],
    ],
)
def test_an_argument_that_is_empty_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "the value is empty" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["ask"], ["probe"], ["probe", "--question", "q", "--budget", "many"]])
def test_wrong_usage_is_exit_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m m1app" in capsys.readouterr().err


def test_score_reads_lists_and_lines_and_names_what_is_wrong(tmp_path: Path) -> None:
    entry = {"text": "It is a patient.", "options": {"A": "Adrenal", "B": "Thyroid"}, "answer_idx": "B"}
    file = tmp_path / "answers.json"
    file.write_text(json.dumps([entry, entry | {"text": "The answer is B."}]), encoding="utf-8")
    done = run("score", str(file), "--rule", "strict", "--json", home=tmp_path)
    content = json.loads(done.stdout)
    assert (content["n"], content["correct"], content["unanswered"]) == (2, 1, 1)
    assert [each["letter"] for each in content["results"]] == [None, "B"]
    second = content["results"][1]
    assert (second["letter_rule"], second["letter_words"]) == ("answer is (en)", "answer is B")
    assert (second["letter_start"], second["letter_end"], content["strict_version"]) == (4, 15, STRICT_VERSION)
    guessed = json.loads(run("score", str(file), "--rule", "m1", "--json", home=tmp_path).stdout)
    assert guessed["unanswered"] == 0
    by_text = {"text": "The answer is B.", "options": entry["options"], "answer": entry["options"]["B"]}
    file.write_text(json.dumps([by_text, by_text | {"answer": "neither"}]), encoding="utf-8")
    said = run("score", str(file), home=tmp_path).stdout
    assert said.splitlines() == [
        "1 of 1 correct by rule strict: 100.0% (20.7% to 100.0%), n = 1; 0 unanswered, 1 without a target",
        "Few questions (n = 1): read the interval, not the percentage.",
    ]
    told = run("score", str(file), "--answers", home=tmp_path).stdout
    assert told.startswith("1: B. Read from “answer is B”: a statement of the answer, in English.\n2: B. ")
    file.write_text("\n".join(map(json.dumps, [entry, entry | {"answer_idx": "C"}])), encoding="utf-8")
    refused = run("score", str(file), home=tmp_path)
    assert refused.returncode == 1
    assert_one_line(
        refused.stderr, 'line 2: column answer_idx: found "C", expected the right option\'s letter, one of A, B'
    )
    assert not (tmp_path / "m1.sqlite3").exists()


HOSTILE_JSON = {"deep": "[" * 100_000 + "]" * 100_000, "long number": "[" + "9" * 5000 + "]"}


@pytest.mark.parametrize("text", HOSTILE_JSON.values(), ids=HOSTILE_JSON)
@pytest.mark.parametrize("arguments", [("score",), *(("annotations", "import", "--format", name) for name in FORMATS)])
def test_json_that_python_cannot_read_is_one_line(tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    file = tmp_path / "hostile.json"
    file.write_text(text, encoding="utf-8")
    done = run(*arguments, str(file), home=tmp_path / "home", M1_ENGINE_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [("score",), ("annotations", "import"), ("annotations", "export", "--output")])
def test_a_file_that_cannot_be_opened_is_named_without_a_number(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    missing = str(tmp_path / "missing" / "file.json")
    done = run(*arguments, missing, home=tmp_path / "home", M1_ENGINE_URL="http://127.0.0.1:9")
    assert (done.returncode, done.stderr) == (1, f"error: {missing}: No such file or directory\n")


def test_a_closed_standard_output_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text('[{"text": "A", "options": {"A": "a"}, "answer_idx": "A"}]', encoding="utf-8")
    command = f'exec "{sys.executable}" -m m1app score "{file}" >&-'
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "error: standard output is closed\n")


def test_annotations_leave_and_come_back(tmp_path: Path, engine: dict[str, str]) -> None:
    home = tmp_path / "home"
    home.mkdir()
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    database.migrate()
    case_id = stored_trace(database)
    service = AnnotationService(database, load_taxonomy())
    asyncio.run(service.save(case_id, "Ada", note("bias", comment="é 🫀")))
    asyncio.run(service.submit(case_id, "Ada"))
    done = run("annotations", "export", home=home, **engine)
    assert (done.returncode, done.stderr) == (0, "")
    file = tmp_path / "out.jsonl"
    assert run("annotations", "export", "--output", str(file), home=home, **engine).returncode == 0
    assert file.read_text(encoding="utf-8") == done.stdout
    again = run("annotations", "import", str(file), home=home, **engine)
    assert (again.returncode, again.stdout) == (0, "0 imported, 1 already present\n")
    agreement = run("annotations", "agreement", "--json", home=home, **engine)
    assert json.loads(agreement.stdout)["cases"] == 0
    text = run("annotations", "agreement", home=home, **engine)
    assert "too few cases" in text.stdout
    file.write_text("nonsense", encoding="utf-8")
    refused = run("annotations", "import", str(file), home=home, **engine)
    assert refused.returncode == 1
    assert_one_line(refused.stderr, "Line 1 is not JSON")
    database.dispose()


def test_several_right_options_are_scored_by_one_rule_and_named_as_unscored_by_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"A": "Insulin", "B": "Ramipril", "C": "Salbutamol"}
    answers = [("\\boxed{A, C}", ["A", "C"]), ("A", "A, C"), ("The answer is B.", "B")]
    file = tmp_path / "answers.json"
    entries = [{"text": text, "options": options, "answer_idx": target} for text, target in answers]
    file.write_text(json.dumps(entries), encoding="utf-8")
    assert main(["score", str(file)]) == 0
    assert capsys.readouterr().out.startswith("2 of 3 correct by rule strict: 66.7%")
    assert main(["score", str(file), "--rule", "m1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("1 of 1 correct by rule m1: 100.0%")
    assert "; 0 unanswered, 2 not scored: several options are right\n" in out
    file.write_text(json.dumps([entries[0] | {"answer_idx": "A, X"}]), encoding="utf-8")
    assert main(["score", str(file)]) == 1
    assert_one_line(
        capsys.readouterr().err, 'answer_idx: found "A, X", expected the right option\'s letter, one of A, B, C'
    )
