"""A run of strategies as JSON, CSV and Markdown."""

import csv
import io
import json
import re
from dataclasses import replace

from m1app.runs.strategy_export import strategy_run_csv, strategy_run_json, strategy_title
from m1app.runs.strategy_markdown import strategy_markdown
from storage.traces.records import TraceState
from tests.m1app.runs.strategy_samples import REQUESTS, RUN, SNAPSHOT, TRACE, VOTE
from tests.m1app.runs.trace_samples import HOSTILE


def test_json_holds_every_strategy_with_its_ledger_and_all_texts() -> None:
    content = json.loads(json.dumps(strategy_run_json(SNAPSHOT)))
    vote, chain = content["results"]
    assert (vote["strategy"], vote["title"], vote["letter"], vote["correct"]) == (
        "vote:k=3",
        "Vote (passes 3)",
        "A",
        True,
    )
    assert (vote["generated"], vote["computed"], vote["wasted"]) == (1_267, 1_387, 42)
    assert vote["picture"] == {"votes": {"votes": {"A": 2, "B": 1}, "done": 3, "passes": 4}}
    texts = [each["text"] for each in vote["requests"]]
    assert texts == [TRACE.thinking_text, TRACE.answer_text, "", HOSTILE, "", ""]
    assert vote["requests"][3]["prompt"] == "Is it right?"
    assert vote["requests"][2]["probabilities"] == {"A": 0.75, "B": 0.25}
    assert (chain["error"], chain["state"]) == ("The engine is gone.", "failed")
    assert content["settings"]["budget_tokens"] == RUN.budget_tokens


def test_csv_has_a_row_for_each_request_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(strategy_run_csv(SNAPSHOT))))
    assert [(row["strategy"], row["key"], row["attempt"]) for row in rows] == [
        *(("vote:k=3", each.key, str(each.attempt)) for each in REQUESTS),
        ("budget-forcing", "pass/0", "0"),
    ]
    assert sum(int(row["generated"]) for row in rows[:6]) == sum(each.generated for each in REQUESTS)
    assert rows[5]["error"] == "'=cmd()"
    assert rows[3]["text"].startswith("<img")


def test_markdown_says_what_each_came_to_and_no_text_acts_as_markdown() -> None:
    text = strategy_markdown(SNAPSHOT)
    assert "| Vote (passes 3) | A, right | 1,267 | 1,387 | 42 | 12.3 |" in text
    assert "| One chain | Failed |" in text
    assert "2 of 3 passes gave this answer." in text
    assert "| pass/2 (attempt 2) | think | smollm2-135m | 2 | 1 | 20 | 4 | 2 | 1.2 | failed |" in text
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "Is it right?" in text
    assert not any(mark in outside for mark in ("<img", "](", "# Heading"))


def test_a_strategy_of_another_version_is_named_as_it_is_written() -> None:
    assert strategy_title("vote:k=4") == "Vote (passes 4)"
    assert strategy_title("crystal-ball:k=4") == "crystal-ball:k=4"
    other = replace(SNAPSHOT.strategies[0], result=replace(VOTE, choice="crystal-ball", state=TraceState.STOPPED))
    assert "## crystal-ball\n\nStopped." in strategy_markdown(replace(SNAPSHOT, strategies=(other,)))
