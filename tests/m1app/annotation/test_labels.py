"""The taxonomy is data: complete, and open to additions."""

from pathlib import Path

import pytest

from m1app.annotation.errors import LabelsError
from m1app.annotation.labels import load_taxonomy

OWN = '[[label]]\nid = "dose"\ngroup = "own"\nname = "Dose"\ndefinition = "d"\nexample = "e"\nsource = "s"\n'


def test_shipped_taxonomy_is_the_documented_one() -> None:
    taxonomy = load_taxonomy()
    assert [label.id for label in taxonomy.labels] == [
        *("knowledge_gap", "incorrect_fact", "outdated_guideline", "fabricated_source", "misread_case"),
        *("invented_finding", "faulty_inference", "premature_closure", "overthinking_flip", "trace_answer_mismatch"),
        *("wrong_management", "critical_omission", "bias", "flawed_item"),
    ]
    assert [each.id for each in taxonomy.severities] == ["none", "mild", "moderate", "severe", "critical"]
    texts = [text for label in taxonomy.labels for text in (label.definition, label.example, label.source)]
    assert all(texts)
    assert taxonomy.rank("severe") == 3


def test_own_labels_are_added_and_shipped_ones_retired(tmp_path: Path) -> None:
    extra = tmp_path / "labels.toml"
    extra.write_text(f"version = 3\n{OWN}" + OWN.replace('"dose"', '"bias"') + "retired = true\n", encoding="utf-8")
    taxonomy = load_taxonomy(extra)
    assert taxonomy.version == 3
    assert taxonomy.label("dose") in taxonomy.offered
    assert taxonomy.label("bias") not in taxonomy.offered
    assert len(taxonomy.labels) == 15


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[label", "labels.toml"),
        ('[[label]]\nid = "dose"\n', "'dose' is incomplete"),
        (OWN + OWN, "'dose' appears twice"),
    ],
)
def test_broken_file_is_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    extra = tmp_path / "labels.toml"
    extra.write_text(content, encoding="utf-8")
    with pytest.raises(LabelsError, match=message):
        load_taxonomy(extra)
