"""A small study, and what it is asked with."""

from typing import Any

from m1app.studies.file_reading import parse_study
from m1app.studies.library import StudyFile
from m1app.studies.planning import StudyRequest
from m1app.studies.study_file import Study

SMALL = """
name = "small"
title = "A small study"
rule = "strict"
price_per_million_tokens = 2.0

[[set]]
name = "five"
size = 5

[[model]]
role = "one"

[[run]]
id = "main"
question_sets = ["five"]
models = ["one"]
budgets = [16, 32]
answer_cap_tokens = 12
profile = "plain-chatml"
in_flight = 2

[[run]]
id = "forced"
question_sets = ["five"]
models = ["one"]
budgets = [16]
force_rounds = [0, 1]
answer_cap_tokens = 12
profile = "plain-chatml"
in_flight = 2

[[claim]]
id = "helps"
text = "More thinking helps."
kind = "gain"
refuted_by = "No gain."
run = "main"
model = "one"
first = { budget = 16 }
second = { budget = 32 }

[[claim]]
id = "facts"
text = "Facts explain most failures."
kind = "one-fact-explains"
refuted_by = "Half of them or fewer."
model = "one"

[[figure]]
id = "curves"
title = "Curves"
kind = "curves"
runs = ["main"]
"""


def study(text: str = SMALL) -> Study:
    return parse_study(text, "small.toml")


def request(text: str = SMALL, **changes: Any) -> StudyRequest:
    file = StudyFile("small", text, study(text), is_preset=False)
    return StudyRequest(**{"file": file, "models": {}, "sets": {}} | changes)
