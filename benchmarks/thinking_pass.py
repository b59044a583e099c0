"""The app's own cost per token of a thinking pass, by the length of the thinking.

The engine is a loop in this process that yields one token after the other, so nothing but the controller, the parser
and the events between them is measured. A cost that grows with the length is a join that is repeated for each token.

    python -m benchmarks.thinking_pass
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from statistics import median

from benchmarks import report
from models.engine.protocol import ChatMessage, CompletionChunk, CompletionRequest, EngineInfo, FinishReason, TokenIds
from models.thinking.budget_forcing import Marker, Markers
from models.thinking.thinking_pass import PassSettings, SegmentGrew, run_pass

TARGET_GROWTH = 1.5
"""Most that a token of the longest pass may cost, as a multiple of one of the shortest."""
_PROMPT: TokenIds = tuple(range(200))
_MARKERS = Markers(
    opening=Marker("<think>", (1,)),
    wait=Marker("Wait", (2,)),
    spaced_wait=Marker(" Wait", (3,)),
    natural_close=Marker("</think>", (4,)),
    overrun_close=Marker("</think>", (4,)),
    stop_token_ids=(4,),
    stop_texts=("## Final Response",),
    stop_token_texts=("</think>",),
    answer_stop_token_ids=(4,),
    option_prefix=Marker("Answer:", (5,)),
)


class TokenLoop:
    """An engine in this process that never stops by itself."""

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        for number in range(1, request.max_tokens + 1):
            yield CompletionChunk((1000,), " word", FinishReason.LENGTH if number == request.max_tokens else None)

    async def describe(self) -> EngineInfo:
        raise NotImplementedError

    async def tokenize(self, text: str, *, parse_special: bool) -> TokenIds:
        raise NotImplementedError

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        raise NotImplementedError

    async def apply_chat_template(self, messages: Sequence[ChatMessage]) -> str:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Cost:
    """What the passes of one length took."""

    tokens: int
    microseconds: tuple[float, ...]
    """For each token, one number per pass, in processor time."""


async def measure(tokens: int, passes: int) -> Cost:
    """Run `passes` passes of this length, after one that does not count."""
    settings = PassSettings(tokens, force_rounds=0, answer_cap_tokens=1)
    costs = []
    for _ in range(passes + 1):
        began, grown = time.process_time(), 0
        async with aclosing(run_pass(TokenLoop(), _PROMPT, _MARKERS, settings)) as events:
            async for event in events:
                grown += isinstance(event, SegmentGrew)
        costs.append(1e6 * (time.process_time() - began) / tokens)
        if grown < tokens:
            raise RuntimeError(f"{grown} of {tokens} tokens arrived")
    return Cost(tokens, tuple(costs[1:]))


def main() -> int:
    """Measure and print; 1 when a token of the longest pass costs too much more than one of the shortest."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.thinking_pass", description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1024, 8192, 16384, 32768])
    parser.add_argument("--passes", type=int, default=5, help="of each length")
    report.add_json_option(parser)
    options = parser.parse_args()
    before = report.machine()
    costs = [asyncio.run(measure(tokens, options.passes)) for tokens in sorted(options.tokens)]
    growth = median(costs[-1].microseconds) / median(costs[0].microseconds)
    rows = [
        {"tokens": cost.tokens, "us/token": median(cost.microseconds), "middle half": report.spread(cost.microseconds)}
        for cost in costs
    ]
    text = "\n".join(
        [report.describe(before), report.table(rows), f"longest to shortest: {growth:.2f}, at most {TARGET_GROWTH}"]
    )
    report.emit({"machine": before, "costs": rows, "growth": growth}, text, as_json=options.json)
    return 0 if growth <= TARGET_GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())
