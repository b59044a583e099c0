"""What a deletion says of what goes and what stays."""

import pytest

from m1app.trash.words import extent_text
from storage.trash.records import Extent


@pytest.mark.parametrize(
    ("extent", "text"),
    [
        (Extent(), "It will move to the trash and can be restored for 30 days."),
        (
            Extent(results=6, sweeps=2, traces=1),
            "6 results, 2 sweeps and 1 trace will move to the trash and can be restored for 30 days.",
        ),
        (
            Extent(questions=1200),
            "It will move to the trash and can be restored for 30 days. After that, 1,200 questions that nothing else "
            "uses will be removed with it; results of runs stay.",
        ),
        (
            Extent(traces=3, traces_kept=1, annotations_kept=2),
            "3 traces will move to the trash and can be restored for 30 days. Kept: 1 annotated trace with 2 "
            "annotations.",
        ),
    ],
)
def test_it_is_said_what_goes_and_what_stays(extent: Extent, text: str) -> None:
    assert extent_text(extent, 30) == text
