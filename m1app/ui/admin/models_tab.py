"""The models tab: what is here, what runs, what would fit; find, fetch, use and remove."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.engines.library_records import Fetch, LibraryModel, Offer, OfferedFile, Presence, Suggested
from m1app.engines.trial import Trial
from m1app.ui.admin.live_value import LiveValue
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from m1app.wording import size
from models.profiles import ProfileMatch

Reply = dict[str, Any]
_TICK_SECONDS = 2.0
_SHARED_SECONDS = 1.0


class ModelsTab:
    """Builds the tab and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._library = services.models
        self.list = page_component("admin/models", element_id="admin-library", events=("ask",))
        self._live = LiveValue(self.list, self._shown, tick_seconds=_TICK_SECONDS, shared_seconds=_SHARED_SECONDS)

    def wire(self, demo: gr.Blocks, tab: gr.Tab) -> None:
        """Connect the handlers; progress is sent while something is fetched."""
        self._live.wire(demo.load, tab.select)
        self.list.ask(self._on_ask, None, self.list, trigger_mode="multiple", **QUIET)

    @property
    def _answers(self) -> Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Reply]]]:
        return {
            "offer": self._offer,
            "add": self._add,
            "add_file": self._add_file,
            "suggested": self._take_suggested,
            "fetch": self._fetch,
            "stop": self._stop,
            "use": self._use,
            "try": self._try,
            "remove": self._remove,
        }

    async def _on_ask(self, event: gr.EventData) -> dict[str, Any]:
        asked = event._data
        try:
            action = str(asked["action"])
            reply = await self._answers[action](asked)
            if action != "offer":
                named = next((str(asked[name]) for name in ("id", "repo") if asked.get(name)), "")
                self._services.access.audit.note_soon(f"model.{action}", named[:200])
            shown = await self._shown()
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            reply, shown = {"error": message_of(exc)}, {}
        return {**shown, "number": int(asked["number"]), "reply": reply}

    async def _shown(self) -> dict[str, Any]:
        found = await asyncio.to_thread(self._library.models)
        suggested = await asyncio.to_thread(self._library.suggestions)
        return models_value(found, suggested, is_demo=self._services.engines.is_demo)

    async def _offer(self, asked: Mapping[str, Any]) -> Reply:
        return {"offer": offer_value(await self._library.offer(str(asked["repo"])[:300], str(asked["revision"])[:100]))}

    async def _add(self, asked: Mapping[str, Any]) -> Reply:
        model = await self._library.add_from_hub(
            str(asked["repo"])[:300], str(asked["file"])[:300], str(asked["commit"])[:40]
        )
        if asked.get("use"):
            self._library.fetch_and_use(model.id)
            return {"done": f"{model.id} is being fetched. It becomes the default model once it is downloaded."}
        self._library.fetch(model.id)
        return {"done": f"{model.id} is being fetched."}

    async def _add_file(self, asked: Mapping[str, Any]) -> Reply:
        model = await self._library.add_file(str(asked["place"])[:1000])
        return {"done": f"{model.id} was added. Its file is used in place."}

    async def _take_suggested(self, asked: Mapping[str, Any]) -> Reply:
        offer = await self._library.offer(str(asked["repo"])[:300])
        chosen = next((each for each in offer.files if each.is_preferred), None)
        if chosen is None:
            return {"offer": offer_value(offer), "error": "None of its files fits here. Choose one to fetch it anyway."}
        model = await self._library.add_from_hub(offer.repository.repo, chosen.file.name, offer.repository.commit)
        self._library.fetch_and_use(model.id)
        return {"done": f"{model.id} is being fetched. It becomes the default model once it is downloaded."}

    async def _fetch(self, asked: Mapping[str, Any]) -> Reply:
        self._library.fetch(str(asked["id"]))
        return {}

    async def _stop(self, asked: Mapping[str, Any]) -> Reply:
        self._library.stop_fetch(str(asked["id"]))
        return {}

    async def _use(self, asked: Mapping[str, Any]) -> Reply:
        await self._library.use(str(asked["id"]))
        return {"done": f"{asked['id']} is now the default model, also after a restart."}

    async def _try(self, asked: Mapping[str, Any]) -> Reply:
        trial, match = await self._library.try_out(str(asked["id"]))
        return {"done": trial_text(str(asked["id"]), trial, match)}

    async def _remove(self, asked: Mapping[str, Any]) -> Reply:
        await self._library.remove(str(asked["id"]))
        return {"done": f"{asked['id']} was removed."}


def models_value(found: Sequence[LibraryModel], suggested: Sequence[Suggested], *, is_demo: bool) -> dict[str, Any]:
    """What the tab shows.

    Args:
        found: the known models.
        suggested: what could be fetched.
        is_demo: whether the demo model is the default.
    """
    here = [each for each in found if each.presence in (Presence.HERE, Presence.PARTLY) or each.fetch]
    away = [each for each in found if each not in here]
    return {
        "here": [_row(each) for each in here],
        "away": [_row(each) for each in away],
        "suggestions": [_suggested(each) for each in suggested],
        "demo": is_demo,
    }


def trial_text(model_id: str, trial: Trial, match: ProfileMatch) -> str:
    """What a model did, in words."""
    guess = " (a guess)" if match.is_guess else ""
    ended = "ended its thinking naturally" if trial.ends_thinking else "did not end its thinking naturally"
    named = (
        f"named option {trial.letter}, which is {'right' if trial.is_right else 'wrong'}"
        if trial.letter
        else "named no option"
    )
    answer = trial.answer[:300] or "none"
    return (
        f"{model_id}: {trial.tokens_per_second:.0f} tokens/s, profile {match.profile.id}{guess}. Asked an easy "
        f"question, it thought for {trial.thinking_tokens} tokens, {ended}, and {named}. Answer: {answer}"
    )


def offer_value(offer: Offer) -> dict[str, Any]:
    """A repository's files."""
    listed = offer.repository
    return {
        "repo": listed.repo,
        "commit": listed.commit,
        "licence": listed.licence,
        "files": [_offered(each) for each in offer.files],
        "notes": list(offer.notes),
    }


def _row(each: LibraryModel) -> dict[str, Any]:
    model, fetch = each.model, each.fetch
    is_here = each.presence is Presence.HERE
    return {
        "id": model.id,
        "title": model.title,
        "licence": model.licence,
        "profile": model.profile,
        "source": str(model.source),
        "state": each.use.value or each.presence.value,
        "size": size(each.bytes_here or model.size_bytes or 0) if each.bytes_here or model.size_bytes else "",
        "memory": size(each.memory_bytes) if each.memory_bytes else "",
        "fits": each.fits,
        "fetching": _fetching(fetch) if fetch and fetch.is_running else None,
        "error": fetch.error if fetch and not fetch.is_running else "",
        "can_fetch": each.presence in (Presence.AWAY, Presence.PARTLY) and not (fetch and fetch.is_running),
        "can_try": (is_here and "embedded" in model.engines) or each.use.value == "default",
        "can_use": is_here and "embedded" in model.engines and each.use.value != "default",
        "can_remove": each.use.value != "default"
        and not model.parent
        and (is_here or each.is_own or each.bytes_here > 0),
    }


def _fetching(fetch: Fetch) -> dict[str, Any]:
    progress = fetch.progress
    if progress is None:
        return {"share": 0.0, "said": "starting"}
    total = progress.bytes_total
    said = f"{progress.stage.value}: {size(progress.bytes_done)}" + (f" of {size(total)}" if total else "")
    rate = f", {size(round(progress.bytes_per_second))}/s" if progress.bytes_per_second else ""
    return {"share": progress.bytes_done / total if total else 0.0, "said": said + rate}


def _offered(each: OfferedFile) -> dict[str, Any]:
    return {
        "name": each.file.name,
        "quantisation": each.file.quantisation,
        "size": size(each.file.size_bytes),
        "memory": size(each.memory_bytes),
        "fits": each.fits,
        "problem": each.problem,
        "is_preferred": each.is_preferred,
    }


def _suggested(each: Suggested) -> dict[str, Any]:
    return {
        "repo": each.suggestion.repo,
        "title": each.suggestion.title,
        "about": each.suggestion.about,
        "size": size(each.suggestion.typical_bytes),
        "memory": size(each.memory_bytes),
        "fits": each.fits,
        "is_best": each.is_best,
    }
