"""What is known of a study's sets when it is started: sizes, sources and hashes of the files they came from."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from m1app.question_sets.hub import HUB_PLACE
from m1app.studies.start_facts import SetFacts
from m1app.studies.study_file import Study
from storage.question_sets.records import QuestionSet


def set_facts(home: Path, study: Study, chosen: Mapping[str, QuestionSet]) -> dict[str, SetFacts]:
    """Facts of the sets, by the study's names; blocks, because it reads downloaded files where an MD5 is published.

    Args:
        home: M1_HOME, which keeps what was downloaded from the hub.
        study: the study.
        chosen: its sets of this installation.
    """
    found: dict[str, str] = {}
    facts = {}
    for name, each in chosen.items():
        published = study.set_of(name)
        is_of_hub = bool(published.hub) and each.source.startswith(f"{HUB_PLACE}{published.hub}")
        if published.md5 and is_of_hub and each.source not in found:
            found[each.source] = _md5_of(home, published.hub, each.source)
        md5 = found.get(each.source, "") if published.md5 else ""
        facts[name] = SetFacts(source=each.source, questions=each.question_count, sha256=each.sha256, md5=md5)
    return facts


def _md5_of(home: Path, repository: str, source: str) -> str:
    """MD5 in hex of the file that was downloaded from a repository last; empty if it is not here any more.

    It compares the file with what is published, and protects nothing.
    """
    folder = home / "hub" / "hub" / f"datasets--{repository.replace('/', '--')}" / "snapshots"
    try:
        files = [path for path in folder.glob("*/*") if path.is_file() and source.endswith(path.name)]
        if not files:
            return ""
        newest = max(files, key=lambda path: path.stat().st_mtime)
        with newest.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError:
        return ""
