"""The app's look: a denser version of Gradio's base theme, system fonts only, one accent colour."""

from pathlib import Path

import gradio as gr

_PAGES = Path(__file__).parents[1]
STYLE_SHEETS = (
    _PAGES / "shell" / "theme.css",
    _PAGES / "shell" / "history.css",
    _PAGES / "compare" / "page.css",
    _PAGES / "strategies" / "page.css",
    _PAGES / "annotate" / "page.css",
    _PAGES / "facts" / "page.css",
    _PAGES / "thinking" / "page.css",
    _PAGES / "benchmarks" / "page.css",
    _PAGES / "studies" / "page.css",
)
"""In loading order."""
PRINT_STYLE_SHEET = _PAGES / "shell" / "print.css"
"""For paper. It goes into the head of the page: Gradio would let the rules of its `@media` reach its own part only."""
ADMIN_STYLE_SHEET = _PAGES / "admin" / "page.css"

_SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace"]


def make_theme() -> gr.themes.Base:
    """Create the theme; it loads no fonts or images from other machines."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.slate,
        neutral_hue=gr.themes.colors.slate,
        spacing_size=gr.themes.sizes.spacing_sm,
        radius_size=gr.themes.sizes.radius_sm,
        text_size=gr.themes.sizes.text_sm,
        font=_SANS,
        font_mono=_MONO,
    ).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        block_shadow="none",
        block_border_width="0px",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_padding="0px",
        input_background_fill="*background_fill_primary",
        input_background_fill_dark="*neutral_900",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        block_label_padding="0px",
        button_large_padding="6px 12px",
        button_large_text_size="*text_md",
        button_large_text_weight="600",
        button_secondary_background_fill="transparent",
        button_secondary_background_fill_dark="transparent",
        button_border_width="1px",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        slider_color="*primary_700",
        slider_color_dark="*primary_500",
    )
