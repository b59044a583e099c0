"""Branches: a stored thinking is edited, and the model goes on from there.

A branch is a trace like any other: it is asked, followed, stopped, resumed and scored as a probe. Its thinking begins
with the stored tokens of its parent up to the edit, and with what was written; both count against the budget, which is
the parent's.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.control_characters import control_character, is_blank
from m1app.privacy.service import IdentifierCheck
from m1app.runs.anchors import SentenceChange, readings_of, sentence_changes
from m1app.runs.cutting import KeptThinking, cut_before, require_same_prompt
from m1app.runs.errors import BranchRefused, CutRefused
from m1app.runs.pass_plan import PassPlan, PassPlanner
from m1app.runs.probe import BegunThinking, ProbeService
from m1app.runs.probe_request import ProbeRequest, check_request, request_of
from models.engine.protocol import TokenIds
from models.thinking.budget_forcing import allowed_tokens
from storage.annotations.cases import CaseRepository
from storage.annotations.records import Case
from storage.branches.records import Branch, NewBranch, TreeNode
from storage.branches.repository import BranchRepository
from storage.database import Database, Session
from storage.traces.records import COUNTED_AS_THINKING, Checkpoint, Segment, SegmentKind, Trace
from storage.traces.repository import TraceRepository

MOST_CHARACTERS = 20_000
"""Of an edited text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchRequest:
    """A stretch of a thinking, and what is to stand there."""

    case_id: str
    """A trace, or an answer of a sweep."""
    start: int
    """In code points of the thinking."""
    end: int
    """Equal to `start` to insert something."""
    text: str
    seed: int | None = None
    """None draws one if the temperature is above 0."""


@dataclass(frozen=True, slots=True)
class Editable:
    """A stretch of a thinking that can be edited."""

    case: Case
    trace: Trace
    start: int
    end: int

    def tokens_before(self, place: int) -> int:
        """About how many tokens of the thinking come before a place, in code points."""
        tokens, at = 0.0, 0
        for each in self.trace.segments:
            if each.kind in COUNTED_AS_THINKING and at < place:
                share = min(1.0, (place - at) / max(1, len(each.text)))
                tokens += each.token_count * share
                at += len(each.text)
        return round(tokens)


class BranchService:
    """Makes branches and reads their trees. Every method may also raise `storage.errors.StorageError`."""

    def __init__(
        self,
        database: Database,
        planner: PassPlanner,
        probe: ProbeService,
        identifiers: IdentifierCheck | None = None,
    ) -> None:
        """Args:
        database: migrated.
        planner: finds the engine that the parent was asked on.
        probe: runs the branches.
        identifiers: what a text is checked for before an engine gets it.
        """
        self._identifiers = identifiers or IdentifierCheck()
        self._database = database
        self._planner = planner
        self._probe = probe

    @needs(Permission.ASK)
    async def start(self, request: BranchRequest, *, allows_identifiers: bool = False) -> Trace:
        """Start a branch; return its trace before the first token.

        Raises:
            BranchRefused: it cannot be gone on with; nothing was stored.
            RecordNotFound: no such case, or it is still running.
            IdentifiersFound: the question or the text may identify a person.
            ProbeRefused, ModelsError, QuotaReached: as `ProbeService.start`.
        """
        case, parent = await self._database.read(lambda session: _read(session, request.case_id))
        check(request, case, parent)
        asked = replace(
            request_of(parent),
            thinking_budget_tokens=case.thinking_budget_tokens,
            force_rounds=case.force_rounds,
            seed=request.seed,
        )
        check_request(asked)
        # Before its tokens are counted, which the engine does.
        await asyncio.to_thread(self._identifiers.require, (request.text,), is_allowed=allows_identifiers)
        begun = await self._begun(request, case, parent, asked)
        return await self._probe.start(asked, allows_identifiers=allows_identifiers, begun=begun)

    async def _begun(self, request: BranchRequest, case: Case, parent: Trace, asked: ProbeRequest) -> BegunThinking:
        plan = await self._planner.plan(asked)
        try:
            require_same_prompt(plan.prompt.token_ids, parent, "Ask the question again, and edit the new trace.")
            kept = await cut_before(plan.engine, parent.segments, request.start)
        except CutRefused as exc:
            raise BranchRefused("case", str(exc)) from exc
        # The stretch may begin inside of a token.
        written = case.thinking_text[kept.characters : request.start] + request.text
        ids = await plan.engine.tokenize(written, parse_special=False)
        _check_budget(plan, kept, ids)
        edit = Segment(kind=SegmentKind.EDIT, text=written, token_ids=ids, token_count=len(ids))
        new = NewBranch(
            parent_id=parent.id,
            checkpoint_id=case.checkpoint_id,
            kept_tokens=len(kept.token_ids),
            kept_characters=kept.characters,
            inserted_tokens=len(ids),
            replaced=case.thinking_text[kept.characters : request.end],
            written=written,
        )

        def store(session: Session, trace_id: str) -> None:
            BranchRepository(session).add(trace_id, new)
            record(session, "trace.branch", trace_id, parent=parent.id)

        return BegunThinking(plan, parent.question, (*kept.segments, edit), store, texts=(request.text,))

    @needs(Permission.READ)
    async def editable(self, case_id: str, start: int, end: int) -> Editable:
        """A stretch of a case, moved into its thinking if it lies outside; raises RecordNotFound."""
        case, trace = await self._database.read(lambda session: _read(session, case_id))
        length = len(case.thinking_text)
        start = min(max(0, start), length)
        return Editable(case, trace, start, min(max(start, end), length))

    @needs(Permission.READ)
    async def sentences(self, of: Editable) -> Sequence[SentenceChange]:
        """The sentences of a case's thinking, with what each changed; see `m1app.runs.anchors`."""

        def read(session: Session) -> Sequence[Checkpoint]:
            return TraceRepository(session).list_checkpoints(of.trace.id) if of.case.checkpoint_id else ()

        checkpoints = await self._database.read(read)
        return await asyncio.to_thread(_changes, of, checkpoints)

    @needs(Permission.READ)
    async def find(self, trace_id: str) -> Branch | None:
        """Where a trace comes from; None if it is no branch."""
        return await self._database.read(lambda session: BranchRepository(session).find(trace_id))

    @needs(Permission.READ)
    async def tree(self, trace_id: str) -> Sequence[TreeNode]:
        """The tree that a trace is in, see `BranchRepository.tree`; empty for a trace that is not stored."""
        return await self._database.read(lambda session: BranchRepository(session).tree(trace_id))

    @needs(Permission.READ)
    async def origin(self, tree: Sequence[TreeNode]) -> Case | None:
        """The answer of a sweep that a tree was grown from first; None if it grows from a trace's own answer."""
        of_sweep = next((each.branch.checkpoint_id for each in tree if each.branch and each.branch.checkpoint_id), None)
        if of_sweep is None:
            return None
        return await self._database.read(lambda session: CaseRepository(session).get(of_sweep))


def check(request: BranchRequest, case: Case, parent: Trace) -> None:
    """Refuse what cannot be gone on with, whatever the engine says; raises BranchRefused."""
    if not parent.prompt_token_ids:
        raise BranchRefused(
            "case",
            "This answer was imported, so the tokens of its thinking are not known. Ask the question on Probe, and "
            "edit the new trace.",
        )
    length = len(case.thinking_text)
    if not 0 <= request.start <= request.end <= length:
        raise BranchRefused(
            "stretch",
            f"The selection from {request.start:,} to {request.end:,} is outside the thinking of {length:,} "
            "characters. "
            "Select it again.",
        )
    if is_blank(request.text) and not control_character(request.text):
        raise BranchRefused("text", _NOTHING_WRITTEN)
    if request.text == case.thinking_text[request.start : request.end]:
        raise BranchRefused("text", "The text is unchanged. Edit it, then continue.")
    if len(request.text) > MOST_CHARACTERS:
        raise BranchRefused(
            "text", f"The text has {len(request.text):,} characters; shorten it to {MOST_CHARACTERS:,} at most."
        )
    if found := control_character(request.text):
        raise BranchRefused("text", f"The text has the control character {found}. Delete it.")


_NOTHING_WRITTEN = (
    "The box is empty. To remove a sentence, select it together with the next one and delete it in the box. To see "
    "what the model writes in its place, use Resample below."
)


def _check_budget(plan: PassPlan, kept: KeptThinking, inserted: TokenIds) -> None:
    """Refuse an edit after which nothing could be thought."""
    used = len(kept.token_ids)
    budget = allowed_tokens(plan.markers.forcing, plan.settings.budget_tokens, kept.waits)
    if budget - used - len(inserted) >= 1:
        return
    raise BranchRefused(
        "text",
        f"The text is {len(inserted):,} tokens, and the budget of {budget:,} leaves {max(0, budget - used):,} after "
        f"the {used:,} before it, so there is no room to think. Shorten it, or edit an earlier passage.",
    )


def _changes(of: Editable, checkpoints: Sequence[Checkpoint]) -> Sequence[SentenceChange]:
    return sentence_changes(of.case.thinking_text, readings_of(of.case, of.trace, checkpoints))


def _read(session: Session, case_id: str) -> tuple[Case, Trace]:
    case = CaseRepository(session).get(case_id)
    return case, TraceRepository(session).get(case.trace_id)
