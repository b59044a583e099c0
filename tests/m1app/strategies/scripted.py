"""An engine whose tokens are characters, so that a test reads every prompt and writes every reply.

`Script` says what is thought for a prompt and a seed, what is answered after a thinking, and how probable choices are.
"""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from m1app.strategies.drivers.driver import Driver
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.drivers.observer import Observer
from m1app.strategies.drivers.served_models import ServedModel
from m1app.strategies.protocol import Strategy, Task, Verdict
from models.engine.protocol import (
    ChatMessage,
    CompletionChunk,
    CompletionRequest,
    EngineInfo,
    EngineKind,
    FinishReason,
    TokenIds,
    TokenLogprob,
)
from models.errors import EngineError
from models.profiles import Profile, load_profiles
from models.thinking.budget_forcing import Marker, Markers

THINK, CLOSE, END = 0x110000, 0x110001, 0x110002
HANGS = "\0"
"""In a text: the engine says nothing more, and does not end, until the request is cancelled."""
SPECIAL = {THINK: "<think>", CLOSE: "</think>", END: "<end>"}


def ids_of(text: str) -> TokenIds:
    return tuple(map(ord, text))


def text_of(ids: Sequence[int]) -> str:
    return "".join(SPECIAL.get(each) or chr(each) for each in ids)


def marker(text: str) -> Marker:
    found: list[int] = []
    while text:
        special = next((each for each, spelled in SPECIAL.items() if text.startswith(spelled)), None)
        found.append(ord(text[0]) if special is None else special)
        text = text[1:] if special is None else text[len(SPECIAL[special]) :]
    return Marker("".join(SPECIAL.get(each) or chr(each) for each in found), tuple(found))


MARKERS = Markers(
    opening=marker("<think>"),
    wait=marker("Wait"),
    spaced_wait=marker(" Wait"),
    natural_close=marker("</think>Answer: "),
    overrun_close=marker("</think>Final answer: "),
    stop_token_ids=(CLOSE,),
    stop_texts=(),
    stop_token_texts=(),
    answer_stop_token_ids=(END,),
    option_prefix=marker(""),
)


@dataclass
class Script:
    """What the model says. The prompt is everything before the thinking."""

    think: Callable[[str, int], str] = lambda prompt, seed: "Thinking."
    answer: Callable[[str, str], str] = lambda prompt, thinking: "A"
    choices: Callable[[str, str, str], Mapping[str, float]] = lambda prompt, thinking, lead: {"A": 1.0}
    """Of prompt, thinking and what is closed after it."""
    confidence: Callable[[str, int], float] = lambda thinking, place: 1.0
    """Of the character at a place of a thinking."""
    pause_seconds: float = 0.0
    """Before each token."""
    fails: Callable[[str], str] = lambda prompt: ""
    """An error instead of tokens; empty for none."""


@dataclass
class CharacterEngine:
    """Implements `models.engine.protocol.Engine`. Forced rounds go on with a text of their own."""

    script: Script = field(default_factory=Script)
    kind: EngineKind = EngineKind.VLLM
    has_logprobs: bool = True
    requests: list[CompletionRequest] = field(default_factory=list)
    generated: int = 0
    """Tokens of all requests, cancelled ones too."""
    open: Counter[str] = field(default_factory=Counter)
    """Requests that run now, and the most that ran at once."""
    cached_tokens: int | None = 0
    """Prompt tokens that it says it had in its cache; None if it says nothing."""

    async def describe(self) -> EngineInfo:
        return EngineInfo(self.kind, "1", "scripted", 100_000)

    async def tokenize(self, text: str, *, parse_special: bool) -> TokenIds:
        return marker(text).token_ids if parse_special else ids_of(text)

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        return text_of(token_ids)

    async def apply_chat_template(self, messages: Sequence[ChatMessage]) -> str:
        return "".join(f"[{each.role}]{each.content}" for each in messages) + "[assistant]"

    async def aclose(self) -> None:
        pass

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        self.requests.append(request)
        self.open["now"] += 1
        self.open["most"] = max(self.open["most"], self.open["now"])
        is_thinking = CLOSE not in request.prompt_ids
        self.open["thinking"] += is_thinking
        self.open["most thinking"] = max(self.open["most thinking"], self.open["thinking"])
        try:
            async with aclosing(self._stream(request)) as chunks:
                async for chunk in chunks:
                    self.generated += len(chunk.token_ids)
                    yield chunk
        finally:
            self.open["now"] -= 1
            self.open["thinking"] -= is_thinking

    async def _stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        ids = request.prompt_ids
        prompt = text_of(ids[: ids.index(THINK)])
        rest = ids[ids.index(THINK) + 1 :]
        if error := self.script.fails(text_of(ids)):
            raise EngineError(error)
        if CLOSE not in rest:
            said, end = self._thinking(prompt, text_of(rest), request.seed or 0), CLOSE
        else:
            place = rest.index(CLOSE)
            thinking, lead = text_of(rest[:place]), text_of(rest[place + 1 :])
            if request.top_logprobs and request.max_tokens == 1:
                yield self._look(self.script.choices(prompt, thinking, lead))
                return
            said, end = self.script.answer(prompt, thinking), END
        tokens = [*ids_of(said), end][: request.max_tokens]
        before = len(text_of(rest))
        for number, token in enumerate(tokens):
            if token == ord(HANGS):
                await asyncio.Event().wait()
            await asyncio.sleep(self.script.pause_seconds)
            is_last, is_end = number + 1 == len(tokens), token == end
            finish = FinishReason.STOP if is_end else FinishReason.LENGTH if is_last else None
            value = self.script.confidence(text_of(rest) + said, before + number)
            asked = request.top_logprobs and self.has_logprobs
            candidates = ((TokenLogprob(chr(token) if token < THINK else "", -value),),) if asked else ()
            yield CompletionChunk(
                (token,),
                "" if is_end else chr(token),
                finish,
                candidates,
                prompt_tokens_cached=self.cached_tokens if is_last else None,
            )

    def _thinking(self, prompt: str, so_far: str, seed: int) -> str:
        """What comes next; a piece of a pass goes on with the text that began like it."""
        whole = self.script.think(prompt, seed)
        if so_far and not whole.startswith(so_far):
            whole = next((each for n in range(64) if (each := self.script.think(prompt, n)).startswith(so_far)), "")
        return whole[len(so_far) :] if whole else " Again."

    def _look(self, found: Mapping[str, float]) -> CompletionChunk:
        candidates = tuple(TokenLogprob(each, math.log(p)) for each, p in found.items() if p > 0)
        shown = (candidates,) if self.has_logprobs else ()
        return CompletionChunk((ord("A"),), "A", FinishReason.LENGTH, shown, prompt_tokens_cached=self.cached_tokens)


@dataclass
class OneModel:
    """Finds one model, or others by name."""

    engine: CharacterEngine
    others: Mapping[str, CharacterEngine] = field(default_factory=dict)

    async def served(self, model: str) -> ServedModel:
        engine = self.others[model] if model else self.engine
        return ServedModel(model or "toy", engine, await engine.describe(), a_profile(), MARKERS, "")


def a_profile() -> Profile:
    """A profile that sends a prompt as it is."""
    profile = load_profiles().get("m1")
    chat = profile.chat.model_copy(
        update={"source": "profile", "template": "{system}|{user}", "template_without_system": "{user}"}
    )
    return replace(profile, chat=chat)


OPTIONS = {"A": "alpha", "B": "beta", "C": "gamma"}


def a_task(**named) -> Task:
    given = {
        "stem": "Which?",
        "options": OPTIONS,
        "prompt": "Which? A. alpha B. beta C. gamma",
        "budget_tokens": 1_000,
        "answer_cap_tokens": 20,
    }
    return Task(**(given | named))


async def run(
    strategy: Strategy,
    engine: CharacterEngine,
    *,
    budget: int = 1_000,
    observer: Observer | None = None,
    others: Mapping[str, CharacterEngine] | None = None,
    **named,
) -> tuple[Verdict, Ledger]:
    """Drive a strategy on an engine."""
    ledger = named.pop("ledger", None) or Ledger(budget)
    driver = Driver(
        strategy,
        OneModel(engine, others or {}),
        ledger,
        ids_of("Which?"),
        options=named.pop("options", OPTIONS),
        temperature=0.6,
        observer=observer,
        **named,
    )
    return await driver.run(), ledger
