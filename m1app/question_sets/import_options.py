"""How a file is read, besides its layout; as JSON for the process that reads it."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from m1app.question_sets.column_mapping import ColumnMapping

MAX_LIMIT = 500_000
MAX_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options of an import; see `RowChoice` for the last three."""

    columns: ColumnMapping | None = None
    """None: a layout says which column is which."""
    skips_bad_rows: bool = False
    limit: int = 0
    seed: int = 0

    def to_json(self) -> str:
        """As the reading process takes it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "ImportOptions":
        """What `to_json` wrote; empty for the defaults."""
        values: dict[str, Any] = json.loads(text or "{}")
        columns = values.pop("columns", None)
        if columns is None:
            return cls(**values)
        lists = {name: tuple(columns[name]) for name in ("options", "tags")}
        return cls(ColumnMapping(**{**columns, **lists}), **values)


DEFAULTS = ImportOptions()
