"""Between a strategy's requests and what is stored of them."""

import json
from dataclasses import asdict, fields

from m1app.strategies.drivers.finished_requests import Cancelled, Finished
from m1app.strategies.drivers.ledger import Entry, EntryState
from m1app.strategies.drivers.telling import Told
from m1app.strategies.passage_text import quoted
from m1app.strategies.protocol import (
    Answer,
    Answered,
    Chat,
    Failed,
    Finish,
    Found,
    Look,
    Looked,
    Passage,
    Purpose,
    Request,
    Search,
    Thought,
)
from models.engine.protocol import TokenIds
from storage.strategies.records import StrategyRequest
from storage.traces.records import COUNTED_AS_THINKING, Trace

_ENTRY_FIELDS = [each.name for each in fields(Entry)]
_PASSAGE_FIELDS = [each.name for each in fields(Passage)]
_MOST_PROMPT_CHARACTERS = 100_000


def record_of(
    position: int, entry: Entry, request: Request | Search | None, finished: Finished | None, trace_id: str | None
) -> StrategyRequest:
    """A request as it is stored.

    Args:
        position: of its entry in the ledger.
        entry: the entry.
        request: what was asked; None if it was asked by an earlier process and lost.
        finished: what came of it; None while it runs, and if it was lost or the run was stopped.
        trace_id: the trace that has its text.
    """
    values = {name: getattr(entry, name) for name in _ENTRY_FIELDS}
    values |= {"purpose": entry.purpose.value, "state": entry.state.value, "trace_id": trace_id}
    values["prompt"] = _prompt_of(request)
    event = finished.event if finished else None
    if finished is not None and finished.told.number:
        values |= {"told": (finished.told.number, *finished.told.chunks), "rest": finished.told.rest}
    match event:
        case Thought():
            values |= {"tokens": event.tokens, "finish": event.finish.value, "stops": event.stops}
            assert finished is not None
            values |= {"forced_rounds": event.forced_rounds, "confidences": finished.confidences}
            if trace_id is None:
                values |= {"text": event.text, "token_ids": event.token_ids, "prompt_ids": finished.prompt_ids}
        case Answered():
            values |= {"tokens": event.tokens, "letter": event.letter, "finish": _WHOLE if event.is_whole else _CAP}
            values["text"] = "" if trace_id else event.text
        case Found():
            values |= {"tokens": sum(each.tokens for each in event.passages), "finish": _FOUND}
            values |= {"text": _written(event), "token_ids": event.inserted_ids}
        case Looked():
            values["probabilities"] = None if event.probabilities is None else dict(event.probabilities)
        case Cancelled():
            values |= {"tokens": event.tokens, "finish": _CANCELLED, "stops": event.stops}
            assert finished is not None
            values["confidences"] = finished.confidences
            if trace_id is None:
                values |= {"text": event.text, "token_ids": event.token_ids, "prompt_ids": finished.prompt_ids}
        case Failed():
            values["error"] = event.error
    return StrategyRequest(position=position, **values)


def entry_of(stored: StrategyRequest) -> Entry:
    """The ledger's entry of a stored request."""
    values = {name: getattr(stored, name) for name in _ENTRY_FIELDS}
    return Entry(**values | {"purpose": Purpose(stored.purpose), "state": EntryState(stored.state)})


def finished_of(stored: StrategyRequest, trace: Trace | None, opening: TokenIds = ()) -> Finished | None:
    """A stored request for replay; None if it has to be asked again.

    Args:
        stored: the request.
        trace: the trace that has its text.
        opening: tokens between a trace's prompt and its thinking.
    """
    is_kept = stored.state == EntryState.DONE.value or stored.finish == _CANCELLED
    if not is_kept or stored.error or (stored.trace_id and trace is None):
        return None
    told = told_of(stored)
    if not stored.finish:
        return Finished(Looked(stored.key, stored.probabilities), told=told)
    if stored.finish == _FOUND:
        return Finished(_found(stored), told=told)
    if stored.finish in (_WHOLE, _CAP):
        text = trace.answer_text if trace else stored.text
        answered = Answered(stored.key, text, stored.letter, stored.tokens, stored.finish == _WHOLE)
        return Finished(answered, told=told)
    text, ids, prompt_ids = stored.text, stored.token_ids, stored.prompt_ids
    if trace is not None:
        parts = [each for each in trace.segments if each.kind in COUNTED_AS_THINKING]
        text, ids = trace.thinking_text, tuple(token for each in parts for token in each.token_ids)
        prompt_ids = trace.prompt_token_ids + opening
    if stored.finish == _CANCELLED:
        cancelled = Cancelled(stored.key, stored.tokens, text, stored.stops, ids)
        return Finished(cancelled, prompt_ids, stored.confidences, told)
    thought = Thought(stored.key, stored.tokens, text, Finish(stored.finish), stored.forced_rounds, stored.stops, ids)
    return Finished(thought, prompt_ids, stored.confidences, told)


def told_of(stored: StrategyRequest) -> Told:
    """When a strategy was told of a stored request."""
    number, *chunks = stored.told or (0,)
    return Told(number, tuple(chunks), stored.rest)


_WHOLE, _CAP, _CANCELLED, _FOUND = "whole", "cap", "cancelled", "found"


def _written(found: Found) -> str:
    """What a search has found, as the text of its request: a run that goes on searches for nothing again."""
    passages = [asdict(each) for each in found.passages]
    return json.dumps({"passages": passages, "inserted": found.inserted_text, "note": found.note}, ensure_ascii=False)


def _found(stored: StrategyRequest) -> Found:
    read = json.loads(stored.text)
    # Of what another version of the app has stored, what this one knows.
    known = [{name: each[name] for name in _PASSAGE_FIELDS if name in each} for each in read["passages"]]
    passages = tuple(Passage(**each) for each in known)
    return Found(stored.key, passages, read["inserted"], stored.token_ids, str(read.get("note", "")))


def passages_of(request: StrategyRequest) -> tuple[Passage, ...]:
    """The passages that a stored search has found; none if it is no search that has ended."""
    return _found(request).passages if request.finish == _FOUND else ()


def passages_in(request: StrategyRequest) -> str | None:
    """The passages that a stored search has found, for reading; None if it is no search that has ended."""
    return quoted(passages_of(request)) if request.finish == _FOUND else None


def _prompt_of(request: Request | Search | None) -> str:
    if isinstance(request, Search):
        return request.query[:_MOST_PROMPT_CHARACTERS]
    chat = request.after if isinstance(request, Answer | Look) else request.chat if request else None
    if not isinstance(chat, Chat):
        return ""
    return (f"{chat.system}\n\n{chat.user}" if chat.system else chat.user)[:_MOST_PROMPT_CHARACTERS]
