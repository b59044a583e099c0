"""Studies as plain values: standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStudy:
    """A study that is started: its file, and what plays its roles."""

    name: str
    """Unique."""
    text: str
    """Its file, as it was when it was started."""
    models: Mapping[str, str]
    """Role -> served model; roles whose part was left out are not in it."""
    sets: Mapping[str, str]
    """The study's name of each set -> that of the set of this installation."""
    runs: Mapping[str, str]
    """Id of a run in the file -> id of its benchmark run; runs that were left out are not in it."""
    facts: Mapping[str, Any]
    """What was so when it was started: see `m1app.studies.start_facts`."""
    started_by: str
    """The person, as in the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStudy(NewStudy):
    """A stored study."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    created_at: datetime
    """Aware, UTC."""
    updated_at: datetime
    """When it was last started, resumed or changed; aware, UTC."""
