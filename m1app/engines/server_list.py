"""The servers that the app can ask now: what each is, serves and can do, and what is done instead where it cannot."""

import asyncio
import logging
import time
from dataclasses import dataclass

from m1app.access.person import Permission, needs
from m1app.engines.server_place import ServerPlace
from m1app.engines.service import MORE_ENGINE_SECONDS, EngineService
from models.engine.client import OpenAIEngine
from models.engine.probing import Abilities, probe
from models.engine.protocol import EngineInfo
from models.errors import ModelsError

_log = logging.getLogger(__name__)
_PROBE_SECONDS = 120.0
_HOLDS_SECONDS = 600.0
"""How long what was found out is shown for the same server with the same model."""


@dataclass(frozen=True, slots=True)
class ServerView:
    """One server."""

    place: ServerPlace
    models: tuple[str, ...] = ()
    info: EngineInfo | None = None
    """None if it does not answer."""
    abilities: Abilities | None = None
    """None if nobody has found them out yet."""
    problem: str = ""
    """Why it does not answer, or could not be examined."""


class ServerList:
    """Asks every server; what they can do is found out only when somebody looks."""

    def __init__(self, engines: EngineService) -> None:
        self._engines = engines
        self._known: dict[str, tuple[EngineInfo, float, Abilities | None, str]] = {}
        """By place: of what it was found out, when, what, and why not."""
        self._probing: dict[str, asyncio.Lock] = {}
        """By place: two who look at once would disturb each other's probe."""

    @needs(Permission.MANAGE)
    async def servers(self, *, is_probing: bool = False, is_anew: bool = False) -> tuple[ServerView, ...]:
        """Every server, in the order of the settings.

        Args:
            is_probing: whether to find out what they can do where that is not known; takes seconds, and some tokens.
            is_anew: whether to find it out also where it is known.
        """
        if is_anew:
            self._known.clear()
        places = self._engines.places()
        return tuple(await asyncio.gather(*(self._view(each, is_probing=is_probing) for each in places)))

    async def _view(self, place: ServerPlace, *, is_probing: bool) -> ServerView:
        try:
            async with asyncio.timeout(MORE_ENGINE_SECONDS):
                models = await place.client("").served_models()
                # One of several stands for the server.
                engine = place.client("" if len(models) == 1 else next(iter(models), ""))
                info = await engine.describe()
        except ModelsError as exc:
            return ServerView(place, problem=str(exc))
        except TimeoutError:
            return ServerView(place, problem=f"It did not answer within {MORE_ENGINE_SECONDS:g} s.")
        if known := self._found_out(place, info):
            return ServerView(place, models, info, *known)
        if not is_probing:
            return ServerView(place, models, info)
        async with self._probing.setdefault(place.id, asyncio.Lock()):
            known = self._found_out(place, info) or await self._probed(place, engine, info)
            return ServerView(place, models, info, *known)

    def _found_out(self, place: ServerPlace, info: EngineInfo) -> tuple[Abilities | None, str] | None:
        """What is known of a server, and why not more; None if nobody has looked, or too long ago."""
        known = self._known.get(place.id)
        if known is None or known[0] != info or time.monotonic() - known[1] >= _HOLDS_SECONDS:
            return None
        return known[2:]

    async def _probed(self, place: ServerPlace, engine: OpenAIEngine, info: EngineInfo) -> tuple[Abilities | None, str]:
        abilities, problem = None, ""
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                abilities = await probe(engine)
        except ModelsError as exc:
            problem = str(exc)
        except TimeoutError:
            problem = f"It was not examined within {_PROBE_SECONDS:g} s."
        self._known[place.id] = info, time.monotonic(), abilities, problem
        return abilities, problem


def instead(abilities: Abilities) -> tuple[str, ...]:
    """What the app does where a server lacks something; empty if it lacks nothing that is used."""
    ways = []
    if not abilities.has_token_ids:
        ways.append("It sends no token ids, so it is not used: budgets could not be exact.")
    if not abilities.tokenizes:
        ways.append("It has no /tokenize, so no prompts can be made for it.")
    if not abilities.detokenizes:
        ways.append("It has no /detokenize: use a profile that has its own chat template.")
    if not abilities.logprobs:
        ways.append("It reports no probabilities: results have no option probabilities.")
    elif abilities.logprobs < 20:
        ways.append(
            f"It reports {abilities.logprobs} candidates, not 20: an option that is not among them counts as 0."
        )
    if not abilities.has_whole_pieces and abilities.has_token_ids:
        ways.append("Benchmarks read it token by token, because a whole response could not be cancelled.")
    if abilities.cancels is False:
        ways.append("It keeps generating after a run is stopped, up to the token limit.")
    if abilities.has_prefix_cache is False:
        again = "thinking is computed again for each answer, which takes longer and changes no result"
        ways.append(f"It keeps no prefix: {again}.")
    return tuple(ways)
