"""A question as a profile words it."""

from collections.abc import Mapping

from m1app.question.prompt_text import OptionLayout, render_prompt
from models.profiles import PromptSection


def render_question(wording: PromptSection, stem: str, options: Mapping[str, str]) -> str:
    """The user's turn; raises InvalidPromptTemplate if the wording would drop the question or its options."""
    layout = OptionLayout(wording.option, wording.between_options, wording.keeps_option_text)
    return render_prompt(wording.with_options, wording.open, stem, options, layout)
