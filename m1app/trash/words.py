"""How pages and commands say what a deletion removes and what stays."""

from m1app.wording import counted
from storage.trash.records import Extent


def extent_text(extent: Extent, days: float) -> str:
    """What goes to the trash, for how long, and what stays, as sentences."""
    goes = [
        counted(number, word)
        for number, word in (
            (extent.results, "result"),
            (extent.sweeps, "sweep"),
            (extent.strategy_runs, "strategy run"),
            (extent.traces, "trace"),
            (extent.passages, "passage"),
        )
        if number
    ]
    text = f"{_listed(goes)} will move to the trash" if goes else "It will move to the trash"
    text += f" and can be restored for {days:g} days."
    if extent.questions:
        unused = counted(extent.questions, "question")
        text += f" After that, {unused} that nothing else uses will be removed with it; results of runs stay."
    return f"{text} {kept_text(extent)}".strip()


def kept_text(extent: Extent) -> str:
    """What stays; empty if nothing does."""
    if not extent.traces_kept:
        return ""
    kept, written = counted(extent.traces_kept, "annotated trace"), counted(extent.annotations_kept, "annotation")
    return f"Kept: {kept} with {written}."


def _listed(parts: list[str]) -> str:
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]
