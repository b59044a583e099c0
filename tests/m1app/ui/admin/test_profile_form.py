"""A profile goes through the form unchanged, and what the form does not show stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.ui.admin.profile_form import form_of, values_of
from models.errors import CatalogError
from models.profiles import Profile, load_profiles, profile_of


@pytest.mark.parametrize("profile", list(load_profiles()), ids=lambda profile: profile.id)
def test_a_profile_that_is_not_changed_stays_what_it_was(profile: Profile) -> None:
    values = profile.values()
    found = values_of(form_of(values), values)
    # Where the template comes from and where the profile comes from are one field.
    found["chat"]["reference"] = values["chat"]["reference"]
    assert found == values


def test_a_new_profile_needs_nothing_but_the_form() -> None:
    fields = form_of(load_profiles().get("think-qwen3").values())
    made = profile_of(values_of(fields, {}), "mine")
    assert made.thinking.natural_close == "</think>\n\n"
    assert made.prompt.option == "{letter}. {text}"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1)))
def test_any_text_survives_in_a_list(texts: list[str]) -> None:
    values = {"thinking": {"stop_texts": texts}}
    assert values_of(form_of(values), values)["thinking"]["stop_texts"] == texts


def test_empty_lines_and_spaces_around_tokens_are_left_out() -> None:
    values = values_of({"stop_tokens": " </think> \n\n<|im_end|>\r\n"}, {})
    assert values["thinking"]["stop_tokens"] == ["</think>", "<|im_end|>"]


def test_a_form_that_lacks_fields_is_only_a_wrong_profile() -> None:
    assert values_of({}, {})["title"] == ""


def test_a_field_that_is_too_long_is_refused_and_not_cut() -> None:
    with pytest.raises(CatalogError, match="template has 70,001 characters; the limit is 70,000"):
        values_of({"template": "x" * 70_001}, {})
