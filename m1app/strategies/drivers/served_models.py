"""The models that a driver asks."""

from dataclasses import dataclass
from typing import Protocol

from models.engine.protocol import Engine, EngineInfo
from models.profiles import Profile
from models.thinking.budget_forcing import Markers


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that is ready to be asked."""

    name: str
    """The app's name for it."""
    engine: Engine
    info: EngineInfo
    profile: Profile
    markers: Markers
    system: str
    """System prompt of the run; of another model than the run's, its profile's own."""

    @property
    def delimiter_tokens(self) -> int:
        """Most tokens of what ends a thinking: one for a stop token, at most one for each character of a stop text."""
        return max((len(text) for text in self.markers.stop_texts), default=1)


class Models(Protocol):
    """Where a driver finds the models that a strategy asks."""

    async def served(self, model: str) -> ServedModel:
        """The model of this name; the run's own if it is empty. Raises ModelsError."""
        ...


@dataclass(frozen=True, slots=True)
class OneModel:
    """Where there is one model only."""

    model: ServedModel

    async def served(self, model: str) -> ServedModel:
        """See `Models.served`."""
        return self.model
