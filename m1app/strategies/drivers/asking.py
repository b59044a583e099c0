"""Asks an engine what a request wants: thinks, answers, looks at choices.

Thinking and answers run through `models.thinking.thinking_pass`, as those of a probe and of a sweep do.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from m1app.question.answers.extraction import extract_answer
from m1app.question.answers.scoring import lead_in
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.drivers.metering import MeteredEngine
from m1app.strategies.drivers.observer import Observer
from m1app.strategies.drivers.served_models import Models, ServedModel
from m1app.strategies.drivers.thinking import Thinking
from m1app.strategies.protocol import Answer, Answered, Beginning, Chat, Event, Look, Looked, Request, Think, Thought
from models.engine.piecewise import PiecewiseEngine
from models.engine.protocol import Engine, EngineKind, TokenIds
from models.thinking.budget_forcing import Marker, ThinkingFinish, closing
from models.thinking.going_on import Stretch, go_on
from models.thinking.option_probabilities import option_probabilities
from models.thinking.prompting import build_prompt
from models.thinking.thinking_pass import (
    PassFinished,
    PassSettings,
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    run_answer,
)

_MOST_TOKENS_OF_A_PIECE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the run's own model is asked."""

    question_ids: TokenIds
    """The question's prompt, up to the assistant's turn."""
    options: Mapping[str, str]
    """Letter -> text of the question; answers are read with it."""
    are_several: bool = False
    """Whether the question asks for all right options: an answer is then a set of them."""
    temperature: float
    """Of thinking and answers, where the strategy does not say."""
    top_p: float = 1.0
    """Nucleus mass."""
    is_watched: bool = True
    """Whether people wait for every token; see `PassPlanner`."""


class Asker:
    """Makes the requests of one run, and holds its thinkings."""

    def __init__(
        self,
        models: Models,
        ledger: Ledger,
        sampling: Sampling,
        observer: Observer,
        tell: Callable[[Event], int],
        settled: Callable[[Thinking], Awaitable[None]],
        begun: Mapping[str, Sequence[Stretch]],
    ) -> None:
        """Args:
        models: finds the models by name.
        ledger: counts what is generated.
        sampling: how the run's own model is asked.
        observer: is told what happens.
        tell: is given the growth of thinkings; numbers each event.
        settled: awaited before a piece of a thinking whose engine has to be paused.
        begun: what an earlier process has thought, by key of the thinking.
        """
        self.thinkings: dict[str, Thinking] = {}
        """By key."""
        self._models = models
        self._ledger = ledger
        self._sampling = sampling
        self._observer = observer
        self._tell = tell
        self._settled = settled
        self._begun = begun
        self._cached: dict[str, ServedModel] = {}

    async def model_of(self, request: Request) -> ServedModel:
        """The model that a request asks; raises ModelsError."""
        if not isinstance(request, Think) and isinstance(request.after, str):
            return self.thinkings[request.after].model
        if request.model not in self._cached:
            self._cached[request.model] = await self._models.served(request.model)
        return self._cached[request.model]

    async def before(self, request: Request, model: ServedModel) -> TokenIds:
        """What precedes a thinking; empty for other requests."""
        if not isinstance(request, Think):
            return ()
        if request.beginning is not None:
            return await self._beginning_ids(model, request.beginning)
        return await self._prompt_ids(model, request.chat) + model.markers.opening.token_ids

    async def _beginning_ids(self, model: ServedModel, beginning: Beginning) -> TokenIds:
        prompt_ids = await self._prompt_ids(model, beginning.chat)
        return prompt_ids + model.markers.opening.token_ids + beginning.token_ids

    async def once(self, request: Request, model: ServedModel) -> Thought | Answered | Looked:
        """Make a request once; raises EngineError."""
        match request:
            case Think():
                return await self._think(self.thinkings[request.key])
            case Answer():
                return await self._answer(request, model)
            case Look():
                return await self._look(request, model)

    async def closed(self, request: Answer | Look, model: ServedModel) -> tuple[TokenIds, Marker, Thinking | None]:
        """Everything up to the answer, what closes the thinking, and the thinking."""
        if isinstance(request.after, Chat):
            prompt_ids = await self._prompt_ids(model, request.after) + model.markers.opening.token_ids
            close = closing(model.markers, ThinkingFinish.NATURAL, ends_line=True)
            return prompt_ids + close.token_ids, close, None
        if isinstance(request.after, Beginning):
            is_line = request.after.text.endswith("\n")
            close = closing(model.markers, ThinkingFinish.BUDGET, ends_line=is_line)
            return await self._beginning_ids(model, request.after) + close.token_ids, close, None
        thinking = self.thinkings[request.after]
        context, close = await thinking.closed_after(request.tokens, request.cut)
        return context, close, thinking

    async def _think(self, thinking: Thinking) -> Thought:
        request, model = thinking.request, thinking.model
        self._observer.began(request, model, thinking.prompt_ids)
        settings = self._settings(request.seed, request.temperature, budget=request)
        on_confidence = thinking.confidences.append if request.wants_confidence else None
        metered = MeteredEngine(self._pieces(model, thinking), self._ledger, request.key, on_confidence)
        begun = self._begun.get(request.key, ())
        before = ""
        if request.beginning is not None:
            self._ledger.add(request.key, injected=len(request.beginning.inserted_ids))
            before = request.beginning.text
        for told in await thinking.restore(begun):
            self._tell(told)
        markers = replace(model.markers, stop_texts=(*model.markers.stop_texts, *request.stop_texts))
        events = go_on(metered, thinking.prompt_ids, markers, settings, begun, thinking.exits, before)
        finish = ThinkingFinish.BUDGET
        async with aclosing(events) as running:
            async for event in running:
                self._observer.took(request, event)
                if isinstance(event, SegmentGrew):
                    self._grow(thinking, event)
                elif isinstance(event, SegmentOpened):
                    thinking.open(event.kind)
                elif isinstance(event, SegmentClosed):
                    if (stopped := thinking.stretch_ended(event)) is not None:
                        self._tell(stopped)
                elif isinstance(event, PassFinished):
                    finish = event.outcome.thinking_finish
        return thinking.end(finish, self._ledger)

    def _grow(self, thinking: Thinking, event: SegmentGrew) -> None:
        if thinking.is_inserted:
            self._ledger.add(thinking.request.key, injected=len(event.token_ids))
        if (grew := thinking.grow(event.text, event.token_ids)) is not None:
            thinking.chunks.note(self._tell(grew), grew)

    async def _answer(self, request: Answer, model: ServedModel) -> Answered:
        context, close, thinking = await self.closed(request, model)
        own_seed = thinking.request.seed if thinking else 0
        settings = self._settings(
            own_seed if request.seed is None else request.seed,
            thinking.request.temperature if thinking else None,
            cap_tokens=request.cap_tokens,
        )
        self._observer.began(request, model, context, close)
        self._ledger.add(request.key, injected=len(close.token_ids))
        engine = MeteredEngine(self._pieces(model), self._ledger, request.key)
        texts, tokens, is_whole = list[str](), 0, False
        async with aclosing(run_answer(engine, context, model.markers, settings)) as events:
            async for event in events:
                self._observer.took(request, event)
                match event:
                    case SegmentGrew(text, token_ids):
                        texts.append(text)
                        tokens += len(token_ids)
                    case SegmentClosed(is_natural_stop):
                        is_whole = is_natural_stop
        answer = "".join(texts)
        return Answered(request.key, answer, self._letter_in(lead_in(close.text) + answer), tokens, is_whole)

    def _letter_in(self, text: str) -> str | None:
        options = dict(self._sampling.options)
        return extract_answer(text, options, are_several=self._sampling.are_several).letter if options else None

    async def _look(self, request: Look, model: ServedModel) -> Looked:
        context, close, _ = await self.closed(request, model)
        lead = model.markers.option_prefix
        if request.lead is not None:
            lead = Marker(request.lead, await model.engine.tokenize(request.lead, parse_special=False))
        self._observer.began(request, model, context + lead.token_ids)
        inserted = len(request.after.inserted_ids) if isinstance(request.after, Beginning) else 0
        self._ledger.add(request.key, injected=inserted + len(close.token_ids) + len(lead.token_ids))
        metered = MeteredEngine(model.engine, self._ledger, request.key)
        found = await option_probabilities(metered, context + lead.token_ids, request.choices)
        return Looked(request.key, found.by_letter)

    async def _prompt_ids(self, model: ServedModel, chat: Chat | None) -> TokenIds:
        if chat is None:
            return self._sampling.question_ids
        system = model.system if chat.system is None else chat.system
        return (await build_prompt(model.engine, model.profile, system, chat.user)).token_ids

    def _pieces(self, model: ServedModel, thinking: Thinking | None = None) -> Engine:
        """The engine as this request uses it: paused where an engine needs that, whole where nobody watches."""
        base = len(thinking.prompt_ids) if thinking else 0
        lengths = thinking.request.pause_at if thinking else ()
        if thinking and lengths and model.info.kind is EngineKind.LLAMA_CPP:
            return PiecewiseEngine(model.engine, base, lengths, pause=lambda: self._settled(thinking))
        if self._sampling.is_watched:
            return model.engine
        return PiecewiseEngine(model.engine, base, lengths, most_tokens=_MOST_TOKENS_OF_A_PIECE, is_whole=True)

    def _settings(
        self, seed: int, temperature: float | None, *, budget: Think | None = None, cap_tokens: int = 1
    ) -> PassSettings:
        used = self._sampling.temperature if temperature is None else temperature
        return PassSettings(
            budget_tokens=budget.budget_tokens if budget else 1,
            force_rounds=budget.force_rounds if budget else 0,
            answer_cap_tokens=cap_tokens,
            temperature=used,
            top_p=self._sampling.top_p,
            seed=seed if used else None,
        )
