"""A request to preview or build a data set, as the Admin page's form sends it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from m1app.annotation.exchange import AnnotationExchange, ExportFormat
from m1app.errors import AppError
from m1app.scratch_folder import CORRECTIONS, scratch_folder
from m1app.training.collecting import CORRECTIONS_FILE, Collected
from m1app.training.curation import CurationPlan
from m1app.training.data_building import TrainingDataService
from m1app.training.data_sets import DataSetVersion
from m1app.training.errors import InvalidTrainingData

_NUMBERS = {
    "limit": "Max samples",
    "max_tokens": "Max tokens per sample",
    "min_reasoning_characters": "Min characters of reasoning",
    "seed": "The seed",
    "prune_steps": "The share of steps to prune",
    "pairs_per_question": "Max pairs per question",
}


class DataRequest(BaseModel):
    """Values of the form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    is_preview: bool
    """Report what would be kept, without storing it."""
    hub: str = ""
    """ORG/REPO or ORG/REPO:SPLIT on the Hugging Face hub; empty uses none."""
    layout: str = ""
    """Id of the layout of the file and the hub's dataset; empty finds it by the columns."""
    with_own_traces: bool = False
    with_corrections: bool = False
    plan: CurationPlan

    @classmethod
    def parse(cls, values: Any) -> "DataRequest":
        """Parse the page's request, given as JSON text or as the parsed object.

        Empty boxes become None where that removes a limit.

        Raises:
            AppError: a value is invalid; the message names its box.
        """
        try:
            return cls.model_validate_json(values) if isinstance(values, str) else cls.model_validate(values)
        except ValidationError as exc:
            raise AppError(_advice(exc.errors()[0])) from exc


async def carry_out(
    data: TrainingDataService, exchange: AnnotationExchange, request: DataRequest, files: Sequence[Path]
) -> Collected | DataSetVersion:
    """Preview or build a data set; return what would be kept, or the new version.

    Args:
        data: the training data service.
        exchange: the source of corrections.
        request: what to build.
        files: uploaded with it; may be empty.

    Raises:
        AppError: the build has no name or no source.
        TrainingError: the samples or the name cannot be used.
        StorageError: the database cannot be read.
    """
    plan = request.plan
    if not request.is_preview and not request.name.strip():
        raise AppError("The data set has no name; enter one, such as exam-traces.")
    async with scratch_folder(CORRECTIONS, data.folder) as folder:
        taken = [*files, *(await _corrections(exchange, folder) if request.with_corrections else ())]
        hub, own = request.hub.split(), request.with_own_traces
        if not taken and not hub and not own and not plan.pairs:
            raise AppError(
                "No source of samples was chosen. Choose a file, a hub dataset, right answers in this app, or "
                "corrections."
            )
        chosen: dict[str, Any] = {"hub": hub, "with_own_traces": own, "layout": request.layout}
        if request.is_preview:
            return await data.collect(taken, plan, **chosen)
        return await data.build(taken, plan, request.name.strip(), **chosen)


async def _corrections(exchange: AnnotationExchange, folder: Path) -> tuple[Path]:
    path = folder / CORRECTIONS_FILE
    if not await exchange.export_file(ExportFormat.CORRECTED, path):
        raise InvalidTrainingData(
            "No corrections yet: mark an error on /annotate/, enter the corrected fact, and submit the case."
        )
    return (path,)


def _advice(error: ErrorDetails) -> str:
    place = [str(part) for part in error["loc"]]
    found = error["input"]
    if place and place[-1] in _NUMBERS:
        said = "empty" if found is None else json.dumps(found)
        return f"{_NUMBERS[place[-1]]} is {said}; {error['msg'][0].lower()}{error['msg'][1:]}."
    text = error["msg"].removeprefix("Value error, ")
    if isinstance(found, Mapping) or not place:
        return f"The data set cannot be built: {text}."
    return f"The data set cannot be built: {place[-1].replace('_', ' ')} {text}."
