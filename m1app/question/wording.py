"""A question as a profile words it."""

from collections.abc import Mapping

from m1app.question.prompt_text import OptionLayout, render_prompt
from m1app.targets import has_several
from models.profiles import PromptSection


def render_question(wording: PromptSection, stem: str, options: Mapping[str, str], target: str | None = None) -> str:
    """The user's turn.

    Args:
        wording: the profile's words.
        stem: the question without its options.
        options: letter -> text; empty for an open question.
        target: if it has several letters, all right options are asked for; its letters are not told.

    Raises:
        InvalidPromptTemplate: the wording would drop the question or its options.
    """
    layout = OptionLayout(wording.option, wording.between_options, wording.keeps_option_text)
    with_options = wording.for_several if has_several(target) else wording.with_options
    return render_prompt(with_options, wording.open, stem, options, layout)
