"""Branches: stored with their traces, and read as trees."""

from collections.abc import Collection, Sequence
from dataclasses import fields

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, load_only

from storage.branches.records import Branch, NewBranch, TreeNode
from storage.branches.tables import BranchRow
from storage.traces.tables import TraceRow

MOST_NODES = 500
"""Of a tree."""
_FIELDS = [column.name for column in fields(Branch)]
_NEW_FIELDS = [column.name for column in fields(NewBranch)]


class BranchRepository:
    """Branches in the session's database. Those in the trash are not seen."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, trace_id: str, branch: NewBranch) -> None:
        """Store where a trace comes from.

        Raises:
            InvalidRecord: the text holds NUL or a lone surrogate.
        """
        self._session.add(BranchRow(trace_id=trace_id, **{name: getattr(branch, name) for name in _NEW_FIELDS}))
        self._session.flush()

    def find(self, trace_id: str) -> Branch | None:
        """Where a trace comes from; None if it is no branch."""
        return self._found([trace_id]).get(trace_id) if trace_id.isalnum() else None

    def tree(self, trace_id: str) -> Sequence[TreeNode]:
        """The tree that a trace is in, each after its parent and children by age; empty for a trace that is not there.

        At most `MOST_NODES` of it, those nearest to the trace that it grows from first.
        """
        root = self._root_of(trace_id)
        rows = self._traces([root]) if root else {}
        if not rows:
            return ()
        children: dict[str, list[str]] = {}
        level = [root]
        while level and len(rows) < MOST_NODES:
            found = self._children_of(level)[: MOST_NODES - len(rows)]
            rows |= self._traces([child for child, _ in found])
            level = [child for child, _ in found if child in rows]
            for child, parent in found:
                if child in rows:
                    children.setdefault(parent, []).append(child)
        branches = self._found(rows)
        ordered, waiting = list[TreeNode](), [root]
        while waiting:
            each = waiting.pop()
            ordered.append(_node(rows[each], None if each == root else branches.get(each)))
            waiting += reversed(children.get(each, []))
        return tuple(ordered)

    def _root_of(self, trace_id: str) -> str:
        seen: set[str] = set()
        while trace_id not in seen and (branch := self.find(trace_id)) and branch.parent_id:
            if not self._traces([branch.parent_id]):
                break
            seen.add(trace_id)
            trace_id = branch.parent_id
        return trace_id if trace_id.isalnum() else ""

    def _children_of(self, parents: Sequence[str]) -> list[tuple[str, str]]:
        """Branches of traces, each with its parent, the oldest first."""
        query = select(BranchRow.trace_id, BranchRow.parent_id).join(TraceRow, TraceRow.id == BranchRow.trace_id)
        query = query.where(BranchRow.parent_id.in_(parents)).order_by(TraceRow.created_at, TraceRow.id)
        return [(row.trace_id, row.parent_id or "") for row in self._session.execute(query)]

    def _traces(self, ids: Collection[str]) -> dict[str, TraceRow]:
        shown = load_only(
            *(TraceRow.sweep_id, TraceRow.created_at, TraceRow.state, TraceRow.answer_letter, TraceRow.is_correct),
            *(TraceRow.name, TraceRow.model, TraceRow.thinking_tokens),
        )
        query = select(TraceRow).where(TraceRow.id.in_(ids)).options(shown, joinedload(TraceRow.question))
        return {row.id: row for row in self._session.scalars(query.execution_options(populate_existing=True))}

    def _found(self, ids: Collection[str]) -> dict[str, Branch]:
        rows = self._session.scalars(select(BranchRow).where(BranchRow.trace_id.in_(ids)))
        return {row.trace_id: Branch(**{name: getattr(row, name) for name in _FIELDS}) for row in rows}


def _node(row: TraceRow, branch: Branch | None) -> TreeNode:
    return TreeNode(
        trace_id=row.id,
        branch=branch,
        sweep_id=row.sweep_id,
        created_at=row.created_at,
        state=row.state,
        letter=row.answer_letter,
        is_correct=row.is_correct,
        has_options=bool(row.question.options),
        name=row.name,
        model=row.model,
        thinking_tokens=row.thinking_tokens,
    )
