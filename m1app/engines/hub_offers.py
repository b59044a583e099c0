"""What a hub repository offers to the embedded engine: which file to suggest, and what to know beforehand."""

import re
from collections.abc import Sequence

from m1app.engines.library_records import OfferedFile
from m1app.wording import size
from models.weights.hub_listing import ListedRepository

_PREFERRED = ("Q4_K_M", "Q4_K_S", "Q5_K_M", "Q4_0", "Q8_0")
"""Quantisations by how well they serve on a machine without a GPU."""


def repository_in(typed: str) -> str:
    """ORG/REPO in what was typed, which may be the address of its page."""
    text = typed.strip().removeprefix("hf:")
    found = re.match(r"https?://[^/]+/([^/?#]+/[^/?#]+)", text)
    return found[1] if found else text.rstrip("/")


def preferred_file(files: Sequence[OfferedFile]) -> OfferedFile | None:
    """The file to suggest: of those that fit, the preferred quantisation."""
    usable = [each for each in files if each.fits and not each.problem]
    for wanted in _PREFERRED:
        for each in usable:
            if each.file.quantisation == wanted:
                return each
    return max(usable, key=lambda each: each.file.size_bytes, default=None)


def notes_on(listed: ListedRepository, files: Sequence[OfferedFile]) -> list[str]:
    """What to know before choosing: nothing usable, a licence to accept, none stated."""
    notes = []
    if not files:
        notes.append(
            "This repository has no GGUF file, which the embedded engine needs."
            + (f" Its safetensors ({size(listed.weights_bytes)}) run with vLLM." if listed.weights_bytes else "")
            + (" Weights in pickle files are not used: they may run code." if listed.has_pickles else "")
        )
    elif not any(each.fits and not each.problem for each in files):
        notes.append("No file fits in the free memory. Close other programs, or choose a smaller model.")
    if listed.is_gated:
        notes.append("First accept its licence on its page, and set M1_HUB_TOKEN to a token of that account.")
    if not listed.licence:
        notes.append("Its page states no licence.")
    return notes
