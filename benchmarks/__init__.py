"""Measurements of the app itself; see README.md."""

from m1app.access.person import COMMAND_LINE, run_process_as

# Every script is a command, and services serve nobody whom they do not know.
run_process_as(COMMAND_LINE)
