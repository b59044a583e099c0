"""Branches on a scripted engine whose tokens are characters: what they keep, count and refuse."""

from contextlib import aclosing
from pathlib import Path

import pytest

from m1app.errors import AppError
from m1app.privacy.errors import IdentifiersFound
from m1app.runs.branches import BranchRequest, BranchService
from m1app.runs.errors import BranchRefused, ProbeRefused
from m1app.runs.probe import ProbeService
from m1app.runs.trace_export import trace_json
from m1app.runs.trace_markdown import trace_markdown
from models.errors import ModelNotServed
from storage.annotations.cases import CaseRepository
from storage.annotations.records import Origin
from storage.annotations.repository import AnnotationRepository
from storage.database import Database
from storage.sweeps.repository import SweepRepository
from storage.traces.records import NewTrace, Progress, Segment, SegmentKind, Trace, TraceState
from storage.traces.repository import TraceRepository
from storage.trash.records import TrashKind
from tests.m1app.annotation.cases import note
from tests.m1app.fact_tests.testing_facts import ALPHA, BETA, BUDGET, MARK, MARK_END, THINKING, a_failure, think
from tests.m1app.runs.test_strategies import ScriptedPlanner
from tests.m1app.strategies.scripted import HANGS, CharacterEngine, Script, ids_of, text_of
from tests.storage.samples import a_checkpoint, a_sweep, discard

EDIT = "It is a lack of vitamin C."
GOES_ON = " So beta."


@pytest.fixture
def database(tmp_path: Path, migrated_copies) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    made.migrate()
    return made


class Editor:
    """The services on an engine that goes on with a sentence of its own, and answers beta after the edit."""

    def __init__(self, database: Database, *, goes_on: str = GOES_ON) -> None:
        self.database = database
        self.engine = _Engine(script=Script(answer=lambda _, thinking: BETA if EDIT in thinking else ALPHA))
        self.engine.goes_on = goes_on
        self.planner = ScriptedPlanner(self.engine)
        self.probe = ProbeService(self.planner, database)
        self.branches = BranchService(database, self.planner, self.probe)

    async def over(self, trace_id: str) -> Trace:
        async with aclosing(self.probe.follow(trace_id)) as traces:
            return [each async for each in traces][-1]

    async def branch(self, parent: Trace, **changes) -> Trace:
        given = {"case_id": parent.id} | changes
        return await self.over((await self.branches.start(a_request(**given))).id)


class _Engine(CharacterEngine):
    goes_on = GOES_ON

    def _thinking(self, prompt: str, so_far: str, seed: int) -> str:
        whole = THINKING[:MARK] + EDIT + self.goes_on
        return whole[len(so_far) :] if whole.startswith(so_far) else self.goes_on


def a_request(case_id: str, **changes) -> BranchRequest:
    return BranchRequest(**({"case_id": case_id, "start": MARK, "end": MARK_END, "text": EDIT} | changes))


async def test_a_branch_goes_on_from_the_stored_tokens_and_the_edit_and_is_scored(database: Database):
    editor, parent = Editor(database), a_failure(database)
    branch = await editor.branch(parent)
    kinds = [(each.kind.value, each.text) for each in branch.segments[:3]]
    assert kinds == [("think", THINKING[:MARK]), ("edit", EDIT), ("think", GOES_ON)]
    asked = editor.engine.requests[0]
    assert text_of(asked.prompt_ids) == f"Which?<think>{THINKING[:MARK]}{EDIT}"
    assert asked.max_tokens == BUDGET - MARK - len(EDIT)
    assert branch.thinking_tokens == MARK + len(EDIT) + len(GOES_ON)
    assert branch.tokens_generated == editor.engine.generated
    assert (branch.state, branch.answer_letter, branch.is_correct) == (TraceState.COMPLETED, BETA, True)
    assert (branch.question.id, branch.temperature, branch.seed) == (parent.question.id, 0.0, None)
    kept = await editor.branches.find(branch.id)
    assert kept is not None
    assert (kept.parent_id, kept.kept_tokens, kept.kept_characters) == (parent.id, MARK, MARK)
    assert (kept.replaced, kept.written, kept.inserted_tokens) == (THINKING[MARK:MARK_END], EDIT, len(EDIT))
    with database.session() as session:
        assert TraceRepository(session).get(branch.id).segments == branch.segments


async def test_the_parent_stays_as_it_is(database: Database):
    editor, parent = Editor(database), a_failure(database)
    before = trace_json(await editor.probe.get(parent.id))
    await editor.branch(parent)
    assert trace_json(await editor.probe.get(parent.id)) == before


async def test_a_stretch_that_begins_inside_of_a_token_is_written_whole(database: Database):
    class Words(_Engine):
        """The first word is one token."""

        async def detokenize(self, token_ids):
            return "".join(THINKING[:4] if each == 0x10FFFF else text_of([each]) for each in token_ids)

    editor = Editor(database)
    editor.engine = editor.planner.engine = Words(script=editor.engine.script)
    ids = (0x10FFFF, *ids_of(THINKING[4:]))
    segment = Segment(kind=SegmentKind.THINK, text=THINKING, token_ids=ids, token_count=len(ids))
    branch = await editor.branch(a_failure(database, segment), start=2, end=4, text="xy")
    assert branch.segments[0].text == "Boxy"
    assert branch.segments[0].kind is SegmentKind.EDIT


async def test_forced_rounds_before_the_cut_are_counted(database: Database):
    wait = Segment(kind=SegmentKind.WAIT, text=" Wait", token_ids=ids_of(" Wait"), token_count=5)
    rest = think(" I am sure.")
    parent = a_failure(database, think(THINKING), wait, rest, force_rounds=2)
    editor = Editor(database)
    start = len(THINKING) + len(" Wait I")
    branch = await editor.branch(parent, start=start, end=start + 3, text=" doubt it.")
    waits = [each for each in branch.segments if each.kind is SegmentKind.WAIT]
    assert len(waits) == 2
    assert branch.segments[3].text == " doubt it."


async def test_a_branch_of_a_sweeps_answer_has_the_budget_of_its_cell(database: Database):
    trace = a_failure(database)
    with database.session() as session:
        sweep = SweepRepository(session).add(a_sweep(trace.question.id))
        run = TraceRepository(session).add(another(trace, sweep_id=sweep.id, thinking_budget_tokens=1_000))
        TraceRepository(session).save_all([Progress(run.id, (think(THINKING),), 0, None)])
        kept = TraceRepository(session).add_checkpoint(
            a_checkpoint(run.id, cells=((60, 0), (64, 0)), cut_tokens=60, cut_characters=60)
        )
    editor = Editor(database)
    branch = await editor.branch(trace, case_id=kept.id, start=MARK, end=MARK + 5, text="Ah. ")
    assert branch.thinking_budget_tokens == 60
    assert branch.sweep_id is None
    found = await editor.branches.find(branch.id)
    assert found is not None and (found.parent_id, found.checkpoint_id) == (run.id, kept.id)
    assert (await editor.branches.origin(await editor.branches.tree(branch.id))).id == kept.id
    with pytest.raises(BranchRefused, match="outside the thinking of 60"):
        await editor.branch(trace, case_id=kept.id, start=61, end=62)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"text": " \n"}, "text", "The box is empty"),
        ({"text": THINKING[MARK:MARK_END]}, "text", "text is unchanged"),
        ({"text": "x" * 20_001}, "text", "has 20,001 characters"),
        ({"text": "a\x00b"}, "text", "the control character U.0000 at place 2"),
        (
            {"text": "x" * (BUDGET - MARK)},
            "text",
            r"The text is 383 tokens, and the budget of 400 leaves 383 after the 17 before it",
        ),
        ({"start": 900, "end": 901}, "stretch", "outside the thinking"),
        ({"start": 9, "end": 8}, "stretch", "Select it again"),
        ({"seed": -1}, "seed", "Seed is -1"),
    ],
)
async def test_what_cannot_be_gone_on_with_is_refused_before_anything_is_asked(database, changes, field, said):
    editor, parent = Editor(database), a_failure(database)
    with pytest.raises(ProbeRefused, match=said) as refused:
        await editor.branch(parent, **changes)
    assert refused.value.field == field
    assert editor.engine.requests == []
    assert len(await editor.branches.tree(parent.id)) == 1


async def test_a_text_that_may_identify_a_person_goes_to_no_engine_before_that_is_allowed(database: Database):
    editor, parent, sent = Editor(database), a_failure(database), []

    async def tokenize(text, *, parse_special):
        sent.append(text)
        return ids_of(text)

    editor.engine.tokenize = tokenize
    asked = a_request(parent.id, text="MRN 1234567 has it.")
    with pytest.raises(IdentifiersFound):
        await editor.branches.start(asked)
    assert sent == []
    begun = await editor.branches.start(asked, allows_identifiers=True)
    assert sent == [asked.text]
    assert (await editor.over(begun.id)).state is TraceState.COMPLETED


async def test_a_changed_prompt_tokenizer_or_model_and_foreign_traces_are_refused(database: Database):
    editor = Editor(database)
    with pytest.raises(BranchRefused, match="builds a different prompt"):
        await editor.branch(a_failure(database, prompt_token_ids=ids_of("Whom?")))
    other = Segment(kind=SegmentKind.THINK, text=THINKING, token_ids=ids_of(THINKING[::-1]), token_count=len(THINKING))
    with pytest.raises(BranchRefused, match="its tokenizer has changed"):
        await editor.branch(a_failure(database, other))
    with pytest.raises(BranchRefused, match="was imported"):
        await editor.branch(a_failure(database, prompt_token_ids=()))

    async def gone(request):
        raise ModelNotServed(f"{request.model} is not served.")

    editor.planner.plan = gone
    with pytest.raises(ModelNotServed, match="toy is not served"):
        await editor.branch(a_failure(database))


async def test_branches_of_branches_make_a_tree(database: Database):
    editor, parent = Editor(database), a_failure(database)
    first = await editor.branch(parent)
    second = await editor.branch(parent, text="It is rickets.")
    inner = await editor.branch(first, start=MARK + 3, end=MARK + 5, text="was")
    tree = await editor.branches.tree(inner.id)
    assert [each.trace_id for each in tree] == [parent.id, first.id, inner.id, second.id]
    assert [each.branch.parent_id if each.branch else None for each in tree] == [None, parent.id, first.id, parent.id]
    assert [each.letter for each in tree] == [ALPHA, BETA, ALPHA, ALPHA]
    assert tree == await editor.branches.tree(parent.id)
    discard(database, TrashKind.TRACE, first.id)
    assert [each.trace_id for each in await editor.branches.tree(parent.id)] == [parent.id, second.id]
    assert [each.trace_id for each in await editor.branches.tree(inner.id)] == [inner.id]
    assert await editor.branches.tree("nothing") == ()


async def test_a_stopped_branch_goes_on_with_the_tokens_that_it_has(database: Database):
    editor = Editor(database, goes_on=f" So{HANGS} beta.")
    begun = await editor.branches.start(a_request(a_failure(database).id))
    async with aclosing(editor.probe.follow(begun.id)) as traces:
        async for each in traces:
            if each.thinking_text.endswith(" So"):
                editor.probe.stop(begun.id)
    stopped = await editor.probe.get(begun.id)
    assert (stopped.state, stopped.thinking_text) == (TraceState.STOPPED, THINKING[:MARK] + EDIT + " So")
    editor.engine.goes_on = GOES_ON
    await editor.probe.resume(begun.id)
    over = await editor.over(begun.id)
    assert (over.state, over.thinking_text) == (TraceState.COMPLETED, THINKING[:MARK] + EDIT + GOES_ON)
    assert over.thinking_tokens == len(over.thinking_text)
    assert [each.kind.value for each in over.segments] == ["think", "edit", "think", "think", "close", "answer"]
    assert over.is_correct is True
    with pytest.raises(AppError, match="This trace is complete"):
        await editor.probe.resume(begun.id)


async def test_a_branch_whose_process_was_killed_is_kept_from_its_first_moment_and_goes_on(database: Database):
    editor = Editor(database, goes_on=HANGS)
    begun = await editor.branches.start(a_request(a_failure(database).id))
    after = Editor(database)
    stored = await after.probe.get(begun.id)
    assert stored.thinking_text == THINKING[:MARK] + EDIT
    with pytest.raises(AppError, match="running in another process"):
        await after.probe.resume(begun.id)
    with database.session() as session:
        TraceRepository(session).mark_interrupted(lambda owner: False, 0)
    await after.probe.resume(begun.id)
    over = await after.over(begun.id)
    assert (over.state, over.thinking_text) == (TraceState.COMPLETED, THINKING[:MARK] + EDIT + GOES_ON)
    editor.probe.stop(begun.id)
    await editor.probe.aclose()


async def test_what_somebody_has_annotated_is_not_resumed(database: Database):
    editor, parent = Editor(database), a_failure(database)
    with database.session() as session:
        TraceRepository(session).reopen(parent.id, "host:1")
        TraceRepository(session).mark_interrupted(lambda owner: False, 0)
        case = CaseRepository(session).get(parent.id)
        AnnotationRepository(session).add(case, "Ada", note("bias", comment="No."), Origin.PERSON, 1)
    with pytest.raises(AppError, match="Use Edit and continue to make a branch instead"):
        await editor.probe.resume(parent.id)


async def test_a_branch_is_annotated_and_exported_with_its_edit_marked(database: Database):
    editor, parent = Editor(database), a_failure(database)
    branch = await editor.branch(parent)
    with database.session() as session:
        case = CaseRepository(session).get(branch.id)
    assert case.edits == ((MARK, MARK + len(EDIT)),)
    assert case.waits == ()
    assert f"### Edit: written by a person ({len(EDIT)} tokens)" in trace_markdown(branch)
    exported = trace_json(branch, await editor.branches.find(branch.id))
    assert exported["branch"]["parent_trace_id"] == parent.id
    assert exported["segments"][1]["kind"] == "edit"


def another(trace: Trace, **changes):
    """A new trace like another."""
    return NewTrace(**({name: getattr(trace, name) for name in NewTrace.__dataclass_fields__} | changes))
