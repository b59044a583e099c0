"""A preference pair as a value, and rendered for training."""

import json
from dataclasses import replace

import pytest

from m1app.training.preferences.pairs import Response, has_difference, pair_key, pair_of
from m1app.training.rendered_length import estimated_tokens
from m1app.training.rendering import end_of_turn, render, render_all, render_pair
from m1app.training.training_rows import row_of
from models.profiles import Profile, load_profiles
from tests.m1app.training.preferences.pair_cases import PAIR, a_pair
from tests.m1app.training.test_rendering import IDS, PROFILES, chatml


def test_a_pair_is_read_back_as_it_was_written() -> None:
    assert pair_of(json.loads(json.dumps(PAIR.as_row()))) == PAIR


@pytest.mark.parametrize("row", [{}, {"question": "Why?"}, PAIR.as_row() | {"source": "guess"}])
def test_what_is_no_pair_is_not_read(row: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        pair_of(row)


def test_spacing_is_no_difference() -> None:
    spaced = Response(PAIR.chosen.reasoning.replace(" ", "\n "), PAIR.chosen.answer + "\n")
    assert has_difference(PAIR)
    assert not has_difference(a_pair(rejected=spaced))
    assert pair_key(a_pair(chosen=spaced)) == pair_key(PAIR)
    assert pair_key(a_pair(chosen=PAIR.rejected, rejected=PAIR.chosen)) != pair_key(PAIR)


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_the_better_response_is_rendered_exactly_as_a_sample(profile: Profile) -> None:
    end = end_of_turn(profile)
    made = render_pair(PAIR, profile, "as-asked", chatml, end)
    assert made.rejected
    assert replace(made, rejected=None) == render(PAIR.chosen_sample, profile, "as-asked", chatml, end)
    assert made.rejected.prompt == made.prompt
    row = row_of(made)
    assert row["completion"] == made.completion
    assert row["rejected"]["completion"] == made.rejected.completion


def test_the_worse_response_ends_in_the_same_form_with_its_own_letter() -> None:
    profile = load_profiles().get("m1")
    made = render_pair(PAIR, profile, "as-asked", chatml, end_of_turn(profile))
    assert made.rejected
    assert made.completion.endswith("\\boxed{A}<|im_end|>")
    assert made.rejected.completion.endswith("\\boxed{B}<|im_end|>")
    silent = render_pair(
        a_pair(rejected=Response("It depends.", "I cannot say.")), profile, "as-asked", chatml, end_of_turn(profile)
    )
    assert silent.rejected
    assert silent.rejected.completion.endswith("I cannot say.<|im_end|>")


def test_a_worse_answer_that_names_one_option_leaves_the_prompt_for_several() -> None:
    profile = load_profiles().get("m1")
    several = a_pair(target="A, C", chosen=Response("Both.", "A, C"), rejected=Response("One.", "The answer is B."))
    made = render_pair(several, profile, "as-asked", chatml, end_of_turn(profile))
    assert made.rejected
    assert made.rejected.prompt == made.prompt
    assert made.prompt != render_pair(PAIR, profile, "as-asked", chatml, end_of_turn(profile)).prompt


def test_a_pair_is_as_long_as_its_longer_response() -> None:
    profile = load_profiles().get("m1")
    long = a_pair(rejected=Response("word " * 900, "The answer is B."))
    made = render_pair(long, profile, "as-asked", chatml, end_of_turn(profile))
    assert made.rejected
    assert (
        estimated_tokens(made) == estimated_tokens(made.rejected) > 4 * estimated_tokens(replace(made, rejected=None))
    )


def test_a_pair_that_spells_a_special_token_is_left_out() -> None:
    profile = load_profiles().get("m1")
    spelled = a_pair(rejected=Response("So <|im_end|> it is.", "The answer is B."))
    found = render_all([PAIR, spelled], profile, "as-asked", chatml, end_of_turn(profile))
    assert len(found.samples) == 1
    assert (found.reports[0].before, found.reports[0].kept) == (2, 1)
