"""What is known of sets when a study starts: whether the downloaded file is the published one."""

import hashlib
from dataclasses import replace
from pathlib import Path

from m1app.studies.file_reading import parse_study
from m1app.studies.outcome import set_checks
from m1app.studies.set_facts import set_facts
from m1app.studies.start_facts import StartFacts
from m1app.studies.study_file import Study
from tests.m1app.studies.study_cases import SMALL
from tests.m1app.studies.test_checking import FIVE

CONTENT = b'{"five": []}'
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
OF_HUB = replace(FIVE, source="hub:some/data eval.json", sha256="c" * 64)


def published(md5: str) -> Study:
    return parse_study(SMALL.replace("size = 5", f'size = 5\nhub = "some/data"\nmd5 = "{md5}"'), "small.toml")


def download(home: Path) -> None:
    folder = home / "hub" / "hub" / "datasets--some--data" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (folder / "eval.json").write_bytes(CONTENT)
    (folder / "README.md").write_bytes(b"another file")


def problems(home: Path, study: Study) -> tuple[str, ...]:
    facts = StartFacts(sets=set_facts(home, study, {"five": OF_HUB}))
    (check,) = set_checks(study, {"five": "five"}, facts)
    return check.problems


def test_a_downloaded_file_is_compared_with_the_published_md5(tmp_path: Path) -> None:
    download(tmp_path)
    assert problems(tmp_path, published(MD5)) == ()
    assert problems(tmp_path, published("0" * 32)) == ("The MD5 of its file is not the published one",)


def test_a_file_that_is_not_here_any_more_is_said_to_be_unchecked(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, published(MD5))
    assert problem.startswith("The published MD5 could not be checked")
    facts = set_facts(tmp_path, published(MD5), {"five": FIVE})
    assert (facts["five"].md5, facts["five"].source, facts["five"].questions) == ("", "five.json", 5)
