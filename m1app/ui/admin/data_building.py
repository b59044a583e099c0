"""Building training data from the Admin page, with a file (`files`) or without one (`training_data`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from m1app.bootstrap import Services
from m1app.training.data_building import Collected, DataRequest, carry_out
from m1app.ui.admin.training_data_view import built_value, preview_value


async def carried_out(services: Services, form: Any, files: Sequence[Path]) -> dict[str, Any]:
    """The reply to the page for the form's values and the files that came with them; errors as `carry_out`."""
    data = services.training_data
    made = await carry_out(data, services.exchange, DataRequest.parse(form), files)
    if isinstance(made, Collected):
        return {"report": preview_value(made)}
    return {"report": built_value(made, data.card(made.id).warnings), "built": made.id}
