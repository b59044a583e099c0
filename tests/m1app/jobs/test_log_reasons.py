"""Why a process ended, without what libraries warn of."""

from m1app.jobs.log_reasons import without_warnings

LOG = """step 3
/venv/transformers/modeling_utils.py:3303: FutureWarning: `is_gradient_checkpointing` is deprecated.
  warnings.warn(
/venv/torch/utils.py:7: UserWarning: pin_memory is set but there is none.
  warnings.warn(warn_msg)
The training process was killed.
"""


def test_library_warnings_do_not_hide_why_a_process_ended() -> None:
    assert without_warnings(LOG, 10) == "step 3\nThe training process was killed."
    assert without_warnings(LOG, 1) == "The training process was killed."


def test_what_the_app_says_of_a_warning_is_kept() -> None:
    assert without_warnings("a warning was ignored\n  warnings.warn(", 5) == "a warning was ignored\n  warnings.warn("
