"""Engines that send what no engine should: each ends its own request with a message, and takes nothing else with it."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.engine.limits import EngineLimits
from models.engine.protocol import ChatMessage, CompletionChunk, CompletionRequest
from models.errors import BadEngineResponse, EngineDropped, EngineError
from tests.models.engine.bad_engine import (
    DONE,
    MODELS,
    BadEngine,
    Send,
    drip,
    endless,
    event,
    events,
    head,
    misbehaving,
    reply,
    send,
    send_raw,
)
from tests.models.engine.scripted_server import chunk

MEGABYTE = 1 << 20
REQUEST = CompletionRequest(prompt_ids=(5, 6), max_tokens=4)
ONE_LOGPROB = CompletionRequest(prompt_ids=(5, 6), max_tokens=1, top_logprobs=20)
MOST_SENT_BYTES = 24 * MEGABYTE
"""Limits, and what the sockets of both sides hold."""
MOST_MEMORY_BYTES = 48 * MEGABYTE

EMPTY = event(chunk("", []))
BLOCK = b"x" * 65_536


def chunked(data: bytes, size: int) -> bytes:
    return b"".join(
        b"%x\r\n%b\r\n" % (len(data[at : at + size]), data[at : at + size]) for at in range(0, len(data), size)
    )


def logprobs(value: str) -> str:
    """A chunk whose one candidate has this logprob, as JSON."""
    made = json.dumps(chunk("B", [1], "length", logprobs={"top_logprobs": [{" A": "VALUE"}]}))
    return made.replace('"VALUE"', value)


def with_ids(ids: str) -> str:
    return json.dumps(chunk("a", [])).replace("[]", ids)


def llama(**timings: Any) -> dict[str, Any]:
    return chunk("", []) | {"timings": timings}


LLAMA_MODELS = reply({"data": [{"id": "bad", "owned_by": "llamacpp", "meta": {"n_ctx": 512}}]})


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """Fails a test whose engine fills the memory."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY_BYTES


def client(server: BadEngine, limits: EngineLimits | None = None) -> "aclosing[OpenAIEngine]":
    return aclosing(OpenAIEngine(lambda: Endpoint(server.url), max_attempts=1, limits=limits))


async def generate(engine: OpenAIEngine, request: CompletionRequest = REQUEST) -> list[CompletionChunk]:
    async with aclosing(engine.stream(request)) as chunks:
        return [received async for received in chunks]


def check(server: BadEngine, error: BaseException, words: str) -> None:
    assert words in str(error)
    assert len(str(error)) < 600
    assert str(error).isprintable()
    assert server.sent_bytes < MOST_SENT_BYTES


STREAMS = {
    "a gzip bomb": (
        send_raw(head(Content_Encoding="gzip"), gzip.compress(bytes(50 * MEGABYTE))),
        "compressed data (gzip)",
    ),
    "another compression": (send_raw(head(Content_Encoding="zstd"), b"x"), "compressed data (zstd)"),
    "a line without an end": (endless(BLOCK), "sent a line of more than"),
    "an event without an end": (endless(BLOCK, begin=head() + b"data: "), "sent a line of more than"),
    "a chunk of 50 MB": (endless(BLOCK, begin=head() + b'data: {"choices":[{"text":"'), "a line of more than"),
    "endless empty chunks": (endless(EMPTY), "1,001 chunks in a row without a token"),
    "endless empty objects": (endless(event({"choices": []})), "chunks in a row without a token"),
    "endless comments": (endless(b": ping\n\n" * 1000), "bytes for 0 tokens"),
    "endless blank lines": (endless(b"\n" * 65_536), "bytes for 0 tokens"),
    "endless tiny pieces": (
        endless(chunked(b" " * 10_000, 1), begin=head(Transfer_Encoding="chunked")),
        "bytes for 0 tokens",
    ),
    "comments between tokens": (
        endless(event(chunk("a", [1])) + b": ping\n\n" * 100_000),
        "bytes for",
    ),
    "more tokens than were asked for": (endless(event(chunk("a", [1]))), "sent 5 tokens, but only 4 were"),
    "more tokens in one chunk": (events(chunk("a", list(range(5)), "length")), "sent 5 tokens, but only 4 were"),
    "a long text for one token": (events(chunk("x" * 5000, [1])), "5,000 characters as the text of 1 tokens"),
    "a negative id": (events(chunk("a", [-1], "stop")), "sent -1 as a token id"),
    "an id beyond 32 bits": (events(chunk("a", [2**31], "stop")), "2147483648 as a token id"),
    "an id with a fraction": (events(chunk("a", [1.5], "stop")), "1.5 as a token id"),
    "an id that is true": (events(chunk("a", [True], "stop")), "True as a token id"),
    "an id that is text": (events(chunk("a", ["7"], "stop")), "'7' as a token id"),
    "an id that is a list": (events(chunk("a", [[7]], "stop")), "list as a token id"),
    "ids that are text": (events(with_ids('"123"')), "str instead of a list of token ids"),
    "an id of 10,000 digits": (events(with_ids("[" + "9" * 10_000 + "]")), "thousands of digits"),
    "an id of 4,000 digits": (events(with_ids("[" + "9" * 4000 + "]")), "as a token id"),
    "JSON that is nested deeply": (events('{"choices":' + "[" * 100_000), "nested too deeply"),
    "a text that is a number": (events({"choices": [{"text": 5, "token_ids": [1]}]}), "int instead of text"),
    "a text that is a list": (events({"choices": [{"text": ["a"], "token_ids": [1]}]}), "list instead of text"),
    "choices that are text": (events({"choices": "text"}), "not a completion"),
    "choices that are an object": (events({"choices": {"a": 1}}), "not a completion"),
    "a finish reason of megabytes": (events(chunk("a", [1], "x" * 900_000)), "not a completion"),
    "a finish reason that is a list": (events(chunk("a", [1]) | chunk("a", [1], [[]])), "list instead of text"),  # type: ignore[arg-type]
    "usage that is a list": (events(chunk("a", [1]) | {"usage": [1]}), "not a completion"),
    "more cached tokens than there are numbers for": (
        events(chunk("a", [1]) | {"usage": {"prompt_tokens_details": {"cached_tokens": 10**30}}}),
        "as a count of cached tokens",
    ),
    "an error of megabytes": (events({"error": {"message": "x" * 900_000}}), "The engine failed"),
    "an error that is nested": (events({"error": {"message": [[[]]]}}), "no message"),
    "an error with control characters": (events({"error": {"message": "\x1b[2J\x00gone\n"}}), "gone"),
    "no HTTP": (endless(b"\x00\xff" * 5000, begin=b""), "did not answer in HTTP"),
    "headers without an end": (endless(b"A: b\r\n" * 1000, begin=b"HTTP/1.1 200 OK\r\n"), "did not answer in HTTP"),
    "a length of thousands of digits": (send_raw(head(Content_Length="9" * 5000)), "did not answer in HTTP"),
    "a redirect": (
        send_raw(head("307 Temporary Redirect", Location="http://elsewhere.test/v1/completions")),
        "redirects to 'http://elsewhere.test/v1/completions'",
    ),
    "a redirect to nonsense": (send_raw(head("302 Found", Location="http://[")), "redirects to 'http://['"),
    "a refusal of gigabytes": (endless(BLOCK, begin=head("500 Oops")), "HTTP 500"),
    "a compressed refusal": (
        send_raw(head("500 Oops", Content_Encoding="gzip"), gzip.compress(bytes(50 * MEGABYTE))),
        "HTTP 500",
    ),
}


@pytest.mark.parametrize(("completion", "words"), STREAMS.values(), ids=STREAMS)
async def test_a_bad_stream_ends_with_a_message_that_says_what_came(completion: Send, words: str) -> None:
    with misbehaving(completions=completion) as server:
        async with client(server) as engine:
            with pytest.raises(EngineError) as caught:
                await generate(engine)
        check(server, caught.value, words)


@pytest.mark.parametrize(
    ("completion", "tokens"),
    [
        (events(chunk("a", list(range(5)), "length")), 5),
        (events(chunk("abc", [1, 2, 3], "abort")), 3),
        (events(chunk("a", [-1], "stop")), 1),
        (events({"choices": [{"text": "", "logprobs": {"content": [{"id": 1}, {"id": "x"}]}}]}), 2),
        (events(with_ids('"123"')), 0),
        (events({"choices": "text"}), 0),
        (events({"error": {"message": "gone"}}), 0),
    ],
)
async def test_what_is_refused_says_how_many_tokens_it_had(completion: Send, tokens: int) -> None:
    with misbehaving(completions=completion) as server:
        async with client(server) as engine:
            with pytest.raises(EngineError) as caught:
                await generate(engine)
    assert caught.value.refused_tokens == tokens


LOGPROBS = {
    "not a number": ("NaN", "a number that is not finite"),
    "infinite": ("-Infinity", "a number that is not finite"),
    "infinite by its exponent": ("-1e999", "-inf as a log probability"),
    "far above 0": ("1000", "1000 as a log probability"),
    "of 4,000 digits": ("-" + "9" * 4000, "as a log probability"),
    "a text": ('"-1"', "'-1' as a log probability"),
    "true": ("true", "True as a log probability"),
    "an object": ("{}", "dict as a log probability"),
}


@pytest.mark.parametrize(("value", "words"), LOGPROBS.values(), ids=LOGPROBS)
async def test_a_logprob_that_is_none_is_refused(value: str, words: str) -> None:
    with misbehaving(completions=events(logprobs(value))) as server:
        async with client(server) as engine:
            with pytest.raises(BadEngineResponse) as caught:
                await generate(engine, ONE_LOGPROB)
        check(server, caught.value, words)


async def test_probabilities_of_more_than_everything_are_refused() -> None:
    sent = chunk("B", [1], "length", logprobs={"top_logprobs": [{" A": -0.1, "A": -0.1}]})
    with misbehaving(completions=events(sent)) as server:
        async with client(server) as engine:
            with pytest.raises(BadEngineResponse, match=r"add up to 1\.81"):
                await generate(engine, ONE_LOGPROB)


async def test_logprobs_that_real_engines_send_at_the_edges_are_taken() -> None:
    lowest, rounded = -3.4028234663852886e38, 1e-7
    sent = chunk("B", [1], "length", logprobs={"top_logprobs": [{" A": lowest, " B": rounded}]})
    with misbehaving(completions=events(sent)) as server:
        async with client(server) as engine:
            (received,) = await generate(engine, ONE_LOGPROB)
    assert [(each.text, each.logprob) for each in received.top_logprobs[0]] == [(" B", 0.0), (" A", lowest)]


PATIENT = {
    "a count beyond what was asked for": (events(llama(predicted_n=10**9)), "sent 1,000,000,000 tokens, but only 4"),
    "a count beyond all numbers": (events(llama(predicted_n=10**30)), "as a count of generated tokens"),
    "a negative count": (events(llama(predicted_n=-5)), "-5 as a count of generated tokens"),
    "a count that is text": (events(llama(predicted_n="5")), "'5' as a count of generated tokens"),
}


@pytest.mark.parametrize(("completion", "words"), PATIENT.values(), ids=PATIENT)
async def test_a_count_of_tokens_that_cannot_be_is_refused(completion: Send, words: str) -> None:
    with misbehaving(models=LLAMA_MODELS, completions=completion) as server:
        async with client(server) as engine:
            with pytest.raises(BadEngineResponse) as caught:
                await generate(engine)
        check(server, caught.value, words)


async def test_counts_of_another_type_are_no_counts() -> None:
    sent = chunk("a", [1], "stop") | {"timings": [1], "usage": None}
    with misbehaving(completions=events(sent)) as server:
        async with client(server) as engine:
            assert [received.token_ids for received in await generate(engine)] == [(1,)]


async def test_text_that_cannot_be_stored_is_replaced() -> None:
    sent = [r'{"choices":[{"text":"a\ud800b\u0000c","token_ids":[1]}]}', chunk("\U0001f600", [2], "stop")]
    with misbehaving(completions=events(*sent)) as server:
        async with client(server) as engine:
            texts = [received.text for received in await generate(engine)]
    assert texts == ["a\ufffdb\ufffdc", "\U0001f600"]


async def test_bytes_that_are_not_utf8_are_replaced() -> None:
    sent = b'data: {"choices":[{"text":"a\xff\xed\xa0\x80","token_ids":[1],"finish_reason":"stop"}]}\n\n'
    with misbehaving(completions=send(sent, DONE)) as server:
        async with client(server) as engine:
            (received,) = await generate(engine)
    received.text.encode()
    assert received.text.startswith("a\ufffd")


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085"])
async def test_separators_of_lines_inside_a_text_belong_to_the_text(separator: str) -> None:
    sent = json.dumps(chunk(f"a{separator}b", [1], "stop"), ensure_ascii=False)
    with misbehaving(completions=events(sent)) as server:
        async with client(server) as engine:
            assert [received.text for received in await generate(engine)] == [f"a{separator}b"]


async def test_a_stream_is_read_however_it_is_cut() -> None:
    whole = (event(chunk("ä", [1])) + event(chunk("b", [2], "stop")) + DONE).replace(b"\n", b"\r\n")
    for size in (1, 2, 7, 100_000):
        body = chunked(whole, size) + b"0\r\n\r\n"
        with misbehaving(completions=send_raw(head(Transfer_Encoding="chunked"), body)) as server:
            async with client(server) as engine:
                assert [received.text for received in await generate(engine)] == ["ä", "b"]


SILENCES = {
    "nothing": drip(b"", 0.01),
    "no head": drip(b"", 0.01, begin=b""),
    "a head without an end": drip(b"A: b\r\n", 0.01, begin=b"HTTP/1.1 200 OK\r\n"),
    "endless notices before the head": drip(b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.001, begin=b""),
    "comments": drip(b": ping\n\n", 0.01),
    "a line letter by letter": drip(b"x", 0.01),
    "empty chunks": drip(EMPTY, 0.01),
}


@pytest.mark.parametrize("completion", SILENCES.values(), ids=SILENCES)
async def test_a_stream_without_a_token_for_too_long_ends(completion: Send) -> None:
    with misbehaving(completions=completion) as server:
        async with client(server, EngineLimits(idle_seconds=0.3)) as engine:
            await engine.describe()
            with pytest.raises(EngineDropped, match=r"without sending a token|sent nothing for too long"):
                await generate(engine)


@pytest.mark.parametrize("begin", [head(), b"HTTP/1.1 200 OK\r\nA:"], ids=["body", "head"])
async def test_a_reply_that_drips_ends(begin: bytes) -> None:
    with misbehaving(models=drip(b" ", 0.01, begin=begin)) as server:
        async with client(server, EngineLimits(reply_seconds=0.3)) as engine:
            with pytest.raises(EngineDropped, match="sent nothing for too long"):
                await engine.describe()


TOKENIZE = {
    "5 million tokens": (
        endless(b"1," * 30_000, begin=head() + b'{"tokens":['),
        "more than 1,0",
    ),
    "more tokens than the text has bytes": (reply({"tokens": [7] * 100}), "100 tokens for a text of 2 characters"),
    "a negative id": (reply({"tokens": [-7]}), "-7 as a token id"),
    "true": (reply({"tokens": [True]}), "True as a token id"),
    "an object": (reply({"tokens": {"a": 1}}), "dict instead of a list"),
    "nothing": (reply({}), "NoneType instead of a list"),
    "a list": (reply([1]), "list instead of an object"),
    "a gzip bomb": (send_raw(head(Content_Encoding="gzip"), gzip.compress(bytes(MEGABYTE))), "compressed"),
    "a redirect": (send_raw(head("301 Moved", Location="/elsewhere")), "redirects to '/elsewhere'"),
    "an error of the wrong type": (send_raw(head("500 No"), b'{"error": [[[1]]]}'), "HTTP 500"),
    "an error that is no object": (send_raw(head("500 No"), b"[" * 60_000), "HTTP 500"),
}


@pytest.mark.parametrize(("tokens", "words"), TOKENIZE.values(), ids=TOKENIZE)
async def test_a_bad_tokenizer_is_refused(tokens: Send, words: str) -> None:
    with misbehaving(tokenize=tokens) as server:
        async with client(server) as engine:
            with pytest.raises(EngineError) as caught:
                await engine.tokenize("ab", parse_special=True)
        check(server, caught.value, words)


async def test_templates_and_texts_have_limits_too() -> None:
    texts = {"tokenize": reply({"tokens": [1, 2]}), "detokenize": endless(BLOCK, begin=head() + b'{"prompt":"')}
    with misbehaving(**texts) as server:
        async with client(server) as engine:
            with pytest.raises(BadEngineResponse, match="bytes in reply to one request"):
                await engine.apply_chat_template([ChatMessage("user", "x")])
    with misbehaving(models=LLAMA_MODELS, **{"apply-template": reply({"prompt": 7})}) as server:
        async with client(server) as engine:
            with pytest.raises(BadEngineResponse, match="returned no prompt"):
                await engine.apply_chat_template([ChatMessage("user", "x")])


def listing(**changes: Any) -> Send:
    return reply({"data": [MODELS["data"][0] | changes]})


DESCRIPTIONS = {
    "a million models": (endless(b'{"id":"m"},' * 5000, begin=head() + b'{"data":['), "bytes in reply"),
    "thousands of models": (reply({"data": [{"id": f"m{n}"} for n in range(5000)]}), "lists 5,000 models"),
    "a name with control characters": (listing(id="\x1b[2J\nm"), "with the name '\\x1b[2J\\nm'"),
    "a name that turns the text around": (listing(id="a\u202eb"), "with the name 'a\\u202eb'"),
    "a name that is not Unicode": (reply(r'{"data":[{"id":"a\u0000"}]}'), "context length"),
    "a name without an end": (listing(id="x" * 100_000), "has 1 to 500 printable characters"),
    "an empty name": (listing(id=""), "with the name ''"),
    "a name that is a number": (listing(id=5), "whose name is int"),
    "no context length": (listing(max_model_len=None, meta=[1]), "does not report its context length"),
    "a context length of true": (listing(max_model_len=True), "does not report its context length"),
    "a negative context length": (listing(max_model_len=-1), "context length of -1 tokens"),
    "an absurd context length": (listing(max_model_len=10**18), "1 to 100,000,000 are allowed"),
    "data that is an object": (reply({"data": {"id": "m"}}), "lists no models"),
    "a list": (reply([MODELS]), "list instead of an object"),
    "nesting": (reply('{"data":' + "[" * 100_000), "nested too deeply"),
}


@pytest.mark.parametrize(("models", "words"), DESCRIPTIONS.values(), ids=DESCRIPTIONS)
async def test_a_bad_description_is_refused(models: Send, words: str) -> None:
    with misbehaving(models=models) as server:
        async with client(server) as engine:
            with pytest.raises(EngineError) as caught:
                await engine.describe()
        check(server, caught.value, words)


async def test_a_model_that_is_not_among_hundreds_is_told_with_some_of_them() -> None:
    with misbehaving(models=reply({"data": [{"id": f"m{n}"} for n in range(900)]})) as server:
        async with aclosing(OpenAIEngine(lambda: Endpoint(server.url), "other")) as engine:
            with pytest.raises(EngineError, match="m19 and 880 more") as caught:
                await engine.describe()
        check(server, caught.value, "other")


@pytest.mark.parametrize(
    "version", [{"version": "\x1b[2J" + "9" * 5000}, {"version": [1]}, {}], ids=["long", "list", "none"]
)
async def test_what_is_optional_in_a_description_is_left_out_or_cut(version: Any) -> None:
    changed = listing(root={"a": 1}, aliases=5, owned_by=["vllm"])
    with misbehaving(models=changed, version=reply(version)) as server:
        async with client(server) as engine:
            info = await engine.describe()
    assert len(info.version) <= 100
    assert (info.version.isprintable(), info.model_source, info.parallel_requests) == (True, "", None)


@pytest.mark.parametrize("slots", [10**12, -1, True, "4", 2.5])
async def test_a_number_of_slots_that_cannot_be_is_left_out(slots: Any) -> None:
    with misbehaving(models=LLAMA_MODELS, props=reply({"total_slots": slots, "build_info": "b1"})) as server:
        async with client(server) as engine:
            assert (await engine.describe()).parallel_requests is None


async def test_cookies_are_not_kept() -> None:
    with misbehaving(version=send_raw(head(Set_Cookie="a=b; Path=/"), b"{}")) as server:
        async with client(server) as engine:
            await engine.describe()
            await generate(engine)
    assert len(server.heads) == 3
    assert not [each for each in server.heads if "cookie:" in each.lower()]


async def test_no_request_asks_for_compression() -> None:
    with misbehaving() as server:
        async with client(server) as engine:
            await engine.tokenize("a", parse_special=True)
            await generate(engine)
    assert [each.lower().count("accept-encoding: identity") for each in server.heads] == [1] * 4


async def test_other_runs_go_on_while_an_engine_floods_its_own() -> None:
    flood = endless(chunked(b" " * 10_000, 1), begin=head(Transfer_Encoding="chunked"))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    with misbehaving(completions=flood) as bad, misbehaving() as good:
        async with client(bad) as bad_engine, client(good) as good_engine:
            await asyncio.gather(bad_engine.describe(), good_engine.describe())
            counter = asyncio.create_task(count_turns())
            results = await asyncio.gather(
                *(generate(bad_engine) for _ in range(4)), generate(good_engine), return_exceptions=True
            )
            counter.cancel()
    assert [type(result) for result in results[:4]] == [BadEngineResponse] * 4
    assert [received.text for received in results[4]] == ["a", "b"]  # type: ignore[union-attr]
    assert turns > 10  # 256 pieces of each flood are read at once, of 2,000
