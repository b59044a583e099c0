"""A request to preview or build a data set, as a page sends it: checked, and carried out."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from m1app.annotation.exchange import AnnotationExchange, ExportFormat
from m1app.errors import AppError
from m1app.training.curation import CurationPlan
from m1app.training.data_service import Collected, TrainingDataService
from m1app.training.data_sets import DataSetVersion
from m1app.training.errors import InvalidTrainingData

_CORRECTIONS_FILE = "annotations-corrected.jsonl"
_NUMBERS = {
    "limit": "Most samples",
    "max_tokens": "Most tokens",
    "min_reasoning_characters": "Least reasoning",
    "seed": "The seed",
}


class DataRequest(BaseModel):
    """The form's values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    is_preview: bool
    """Say what would be kept, and keep nothing."""
    hub: str = ""
    """ORG/REPO or ORG/REPO:SPLIT of the Hugging Face hub; empty takes nothing from there."""
    with_own_traces: bool = False
    with_corrections: bool = False
    plan: CurationPlan

    @classmethod
    def parse(cls, values: Any) -> "DataRequest":
        """The request that the page sent, as JSON or as what JSON stands for.

        Boxes that are empty are None, where that takes a limit away.

        Raises:
            AppError: a value cannot be used; the message names its box.
        """
        try:
            return cls.model_validate_json(values) if isinstance(values, str) else cls.model_validate(values)
        except ValidationError as exc:
            raise AppError(_advice(exc.errors()[0])) from exc


async def carry_out(
    data: TrainingDataService, exchange: AnnotationExchange, request: DataRequest, files: Sequence[Path]
) -> Collected | DataSetVersion:
    """Preview (what would be kept) or build (the version that was made).

    Args:
        data: where data sets are made.
        exchange: where corrections come from.
        request: what to make.
        files: that came with it; may be empty.

    Raises:
        AppError: the build has no name, or there is nothing to take.
        TrainingError: the samples, or the name, cannot be used.
        StorageError: the database cannot be read.
    """
    plan = request.plan
    if not request.is_preview and not request.name.strip():
        raise AppError("The data set has no name; give it one, such as exam-traces.")
    with tempfile.TemporaryDirectory(prefix="corrections-", dir=data.folder) as folder:
        taken = [*files, *(await _corrections(exchange, Path(folder)) if request.with_corrections else ())]
        hub, own = request.hub.split(), request.with_own_traces
        if not taken and not hub and not own:
            raise AppError(
                "Nothing to take samples from: choose a file, a dataset of the hub, own right answers, or corrections."
            )
        if request.is_preview:
            return await data.collect(taken, plan, hub=hub, with_own_traces=own)
        return await data.build(taken, plan, request.name.strip(), hub=hub, with_own_traces=own)


async def _corrections(exchange: AnnotationExchange, folder: Path) -> tuple[Path]:
    text = await exchange.export(ExportFormat.CORRECTED)
    if not text.strip():
        raise InvalidTrainingData(
            "There are no corrections yet: mark a failure on /annotate/, say the corrected fact, and submit it."
        )
    path = folder / _CORRECTIONS_FILE
    path.write_text(text, encoding="utf-8")
    return (path,)


def _advice(error: ErrorDetails) -> str:
    place = [str(part) for part in error["loc"]]
    found = error["input"]
    if place and place[-1] in _NUMBERS:
        said = "empty" if found is None else json.dumps(found)
        return f"{_NUMBERS[place[-1]]} is {said}; {error['msg'][0].lower()}{error['msg'][1:]}."
    text = error["msg"].removeprefix("Value error, ")
    if isinstance(found, Mapping) or not place:
        return f"The data set cannot be built like this: {text}."
    return f"The data set cannot be built like this: {place[-1].replace('_', ' ')} {text}."
