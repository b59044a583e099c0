"""The tree of branches that a trace is in, as pages show it. Pure: values in, dictionaries out."""

from collections.abc import Sequence
from typing import Any

from m1app.wording import counted, state_label, verdict_of, verdict_with_letter
from storage.annotations.records import Case
from storage.branches.records import TreeNode
from storage.traces.records import TraceState

_SHOWN = 120
"""Characters of what was written, and of a name."""


def tree_value(tree: Sequence[TreeNode], shown_id: str, origin: Case | None = None) -> dict[str, Any]:
    """The tree, empty if the trace has neither a parent nor branches.

    Args:
        tree: each node after its parent.
        shown_id: the trace that the page shows.
        origin: the answer of a sweep that the tree grows from; None if it grows from a trace's own.
    """
    if len(tree) < 2:
        return {"nodes": [], "compare": ""}
    depths: dict[str, int] = {}
    nodes = []
    for each in tree:
        parent = each.branch.parent_id if each.branch else None
        depths[each.trace_id] = depths.get(parent, -1) + 1 if parent else 0
        nodes.append(_node(each, origin if each.sweep_id else None) | {"depth": depths[each.trace_id]})
        nodes[-1] |= {"parent": parent or "", "is_shown": each.trace_id == shown_id}
    return {"nodes": nodes, "compare": f"/compare/?branches={shown_id}"}


def _node(node: TreeNode, origin: Case | None) -> dict[str, Any]:
    letter, is_correct = (origin.letter, origin.is_correct) if origin else (node.letter, node.is_correct)
    verdict = verdict_of(letter, is_correct, node.has_options)
    is_over = origin is not None or node.state is TraceState.COMPLETED
    return {
        "id": node.trace_id,
        "link": f"/compare/?sweep={node.sweep_id}" if node.sweep_id else f"/?trace={node.trace_id}",
        "name": node_name(node),
        "written": _beginning(node.branch.written) if node.branch else "",
        "letter": (letter or "–") if is_over else "",
        "verdict": verdict.value if is_over else node.state.value,
        "said": verdict_with_letter(letter, verdict) if is_over else state_label(node.state),
    }


def node_name(node: TreeNode) -> str:
    """What a trace of a tree is called."""
    if node.name:
        return _beginning(node.name)
    if node.branch:
        return f"Edited after {counted(node.branch.kept_tokens, 'token')}"
    return "Pass of a sweep" if node.sweep_id else "Original"


def _beginning(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN].rstrip()}…"
