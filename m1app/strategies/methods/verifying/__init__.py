"""Strategies that pay a judge to verify the passes of a question, and choose an answer by its scores.

`best_of_n` judges whole solutions (best-of-n, J1, Heimdall), `step_by_step` paragraph by paragraph (GenPRM). Both build
on `verified_passes`. `verification` asks the judge and reads its Yes or No; `choice` has the rules by which an answer
is chosen. `open_answer` judges an answer to an open question by a reference answer; it chooses nothing.
"""
