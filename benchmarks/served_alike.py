"""Does a fine-tuned model answer the same wherever it is served? `python -m benchmarks.served_alike ID`.

Questions of the library, as the app asks them, are continued greedily by the embedded engine (GGUF), by vLLM
(safetensors, in float32) and by transformers (the same folder, in float32), each of which tokenizes by itself. Needs
.venv-train; without .venv-vllm that column is missing.
"""

import argparse
import asyncio
import json
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import takewhile
from pathlib import Path
from statistics import mean

from benchmarks import report
from m1app.question.library import load_library
from m1app.question.prompt_text import render_prompt
from m1app.settings import load_settings
from models.engine.client import OpenAIEngine
from models.engine.protocol import CompletionRequest
from models.profiles import Profile, load_profiles
from models.servers.llama_server import llama_server
from models.servers.managed_server import ManagedServer
from models.servers.vllm_server import vllm_server
from models.thinking.prompting import build_prompt
from models.weights.catalog import Catalog
from models.weights.download import local_path

_TRANSFORMERS = Path(__file__).with_name("bare") / "greedy_with_transformers.py"
_CONTEXT = 2048
_START_SECONDS = 600.0

Tokens = list[int]


def with_transformers(python: Path, folder: Path, prompts: Sequence[str], tokens: int) -> list[Tokens]:
    """Greedy continuations in float32, from a process of the training's environment."""
    command = [str(python), str(_TRANSFORMERS), str(folder), str(tokens)]
    done = subprocess.run(command, input=json.dumps(prompts), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return list(json.loads(done.stdout))


@asynccontextmanager
async def serving(server: ManagedServer) -> AsyncIterator[OpenAIEngine]:
    """Start the server, and stop it at the end."""
    server.start()
    try:
        endpoint = await asyncio.to_thread(server.wait_ready, _START_SECONDS)
        engine = OpenAIEngine(lambda: endpoint)
        try:
            yield engine
        finally:
            await engine.aclose()
    finally:
        server.stop()


async def with_engine(engine: OpenAIEngine, prompts: Sequence[str], tokens: int) -> list[Tokens]:
    """Greedy continuations, one prompt after the other."""
    found = []
    for prompt in prompts:
        request = CompletionRequest(await engine.tokenize(prompt, parse_special=True), max_tokens=tokens)
        found.append([token async for chunk in engine.stream(request) for token in chunk.token_ids])
    return found


def same_beginning(found: Tokens, wanted: Tokens) -> float:
    """Share of the expected tokens before the first difference; an engine may keep the one that ends the turn."""
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(found, wanted, strict=False)))
    return 1.0 if shared == len(found) >= len(wanted) - 1 else shared / len(wanted)


async def _prompts(engine: OpenAIEngine, profile: Profile, count: int) -> list[str]:
    wording, found = profile.prompt, []
    for each in [each for each in load_library() if each.options][:count]:
        user = render_prompt(wording.with_options, wording.open, each.question, dict(each.options))
        prompt = await build_prompt(engine, profile, profile.chat.default_system, user)
        found.append(prompt.text + profile.thinking.opening)
    return found


async def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    """For each engine, the share of each continuation that matches transformers."""
    settings = load_settings()
    catalog = Catalog.load(extra=settings.home / "catalog.toml")
    gguf = local_path(catalog.get(options.model), settings.models_directory)
    folder = local_path(catalog.get(f"{options.model}-vllm"), settings.models_directory)
    profile = load_profiles().get(catalog.get(options.model).profile)
    with tempfile.TemporaryDirectory(prefix="m1-benchmark-") as logs:
        found: dict[str, list[Tokens]] = {}
        async with serving(llama_server(gguf, options.model, _CONTEXT, 1, None, Path(logs) / "llama.log")) as engine:
            prompts = await _prompts(engine, profile, options.questions)
            found["embedded engine"] = await with_engine(engine, prompts, options.tokens)
        if settings.vllm_python.exists():
            vllm = vllm_server(
                settings.vllm_python,
                str(folder),
                options.model,
                Path(logs) / "vllm.log",
                ("--dtype", "float32"),
                context_length=_CONTEXT,
            )
            async with serving(vllm) as engine:
                found["vLLM"] = await with_engine(engine, prompts, options.tokens)
    wanted = with_transformers(settings.train_python, folder, prompts, options.tokens)
    return {
        name: [same_beginning(*pair) for pair in zip(continuations, wanted, strict=True)]
        for name, continuations in found.items()
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.served_alike", description=__doc__)
    parser.add_argument("model", help="catalog id of a model that was fine-tuned here")
    parser.add_argument("--questions", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=64)
    report.add_json_option(parser)
    options = parser.parse_args()
    before = report.machine()
    shares = asyncio.run(measure(options))
    rows = [
        {
            "engine": name,
            "questions": len(each),
            "wholly the same": sum(share == 1.0 for share in each),
            "same beginning, mean": f"{mean(each):.1%}",
        }
        for name, each in shares.items()
    ]
    text = "\n".join([report.describe(before), report.table(rows), "against transformers in float32, greedy"])
    report.emit({"before": before, "shares": shares}, text, as_json=options.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
