"""A request as the page sends it: texts of boxes become numbers, and a wrong one is named as its box is."""

import json
from typing import Any

import pytest

from m1app.errors import AppError
from m1app.training.data_request import DataRequest


def form(plan: dict[str, Any]) -> dict[str, Any]:
    return {"name": "exam", "is_preview": False, "plan": plan}


def test_boxes_as_the_page_sends_them_are_numbers() -> None:
    sent = form({"limit": "100", "max_tokens": None, "balance": "source", "seed": "7"})
    request = DataRequest.parse(sent)
    assert (request.plan.limit, request.plan.max_tokens, request.plan.seed) == (100, None, 7)
    assert DataRequest.parse(json.dumps(sent)) == request


def test_an_empty_box_that_needs_a_number_is_named() -> None:
    with pytest.raises(AppError, match="Min characters of reasoning is empty"):
        DataRequest.parse(form({"min_reasoning_characters": None}))
