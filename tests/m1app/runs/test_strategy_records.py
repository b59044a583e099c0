"""What is stored of a strategy's requests is read again, also if another version of the app has stored it."""

from m1app.runs.strategy_records import finished_of, passages_in
from m1app.strategies.protocol import Found, Passage
from storage.strategies.records import StrategyRequest

STORED = """{"passages": [{"id": "5f0c", "corpus": "sheets", "version": 2, "source": "vitamins.md", "page": "3",
 "heading": "Scurvy", "text": "Scurvy is a lack of vitamin C.", "tokens": 12, "added_later": ["x"]}],
 "inserted": "<passages>...</passages>"}"""


def test_a_stored_search_is_read_though_its_passages_have_fields_of_another_version() -> None:
    request = StrategyRequest(
        position=0,
        key="search",
        attempt=1,
        purpose="retrieve",
        model="sheets",
        state="done",
        generated=0,
        injected=0,
        prompt_new=0,
        prompt_cached=0,
        wasted=0,
        seconds=0.1,
        text=STORED,
        token_ids=(1, 2),
        finish="found",
    )
    passage = Passage(
        id="5f0c",
        corpus="sheets",
        version=2,
        source="vitamins.md",
        page="3",
        heading="Scurvy",
        text="Scurvy is a lack of vitamin C.",
        tokens=12,
    )
    finished = finished_of(request, None)
    assert finished is not None
    assert finished.event == Found("search", (passage,), "<passages>...</passages>", (1, 2))
    assert passages_in(request) == "[1] Scurvy (vitamins.md, page 3)\nScurvy is a lack of vitamin C."
