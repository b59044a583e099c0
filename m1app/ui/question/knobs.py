"""Settings that the forms of several pages have; their ids begin with the page's prefix."""

import gradio as gr

from m1app.runs.probe_request import MAX_FORCE_ROUNDS
from m1app.ui.question.form_values import ROUNDS_HELP, SEED_HELP, TEMPERATURE_HELP


def model_box(id_prefix: str = "") -> gr.Dropdown:
    """The model that answers; the page's header offers those that are served."""
    return gr.Dropdown(
        [],
        label="Model",
        info="Which model answers.",
        min_width=160,
        scale=3,
        allow_custom_value=True,
        elem_id=f"{id_prefix}model",
    )


def seed_box(id_prefix: str = "") -> gr.Textbox:
    """The seed; empty draws one."""
    return gr.Textbox(
        label="Seed", info=SEED_HELP, placeholder="random", max_lines=1, min_width=70, elem_id=f"{id_prefix}seed"
    )


def rounds_slider(id_prefix: str = "") -> gr.Slider:
    """The number of force rounds."""
    return gr.Slider(
        0,
        MAX_FORCE_ROUNDS,
        value=0,
        step=1,
        label="Force rounds",
        info=ROUNDS_HELP,
        min_width=140,
        elem_id=f"{id_prefix}rounds",
    )


def temperature_slider(
    id_prefix: str = "", *, least: float = 0, value: float = 0, info: str = TEMPERATURE_HELP, min_width: int = 140
) -> gr.Slider:
    """The sampling temperature, at least `least`."""
    return gr.Slider(
        least,
        2,
        value=value,
        step=0.05,
        label="Temperature",
        info=info,
        min_width=min_width,
        elem_id=f"{id_prefix}temperature",
    )
