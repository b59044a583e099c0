"""Domains: the list that a model is shown, and what counts as an entry of it."""

import pytest

from m1app.training.data_jobs.domains import MOST_QUESTION_CHARACTERS, load_domains


@pytest.mark.parametrize(
    ("reply", "domain"),
    [
        ("drug therapy", "drug therapy"),
        ("  Drug Therapy.\n", "drug therapy"),
        ("**anatomy and histology**", "anatomy & histology"),
        ("Subject: 'growth & development'", "growth & development"),
        ("- diagnosis", "diagnosis"),
        ("cardiology", None),
        ("drug therapy or diagnosis", None),
        ("drug therapy\ndiagnosis", None),
        ("The question is about drug therapy", None),
        ("", None),
        ("\x00 <script>", None),
    ],
)
def test_a_reply_is_read_as_an_entry_of_the_list_or_not_at_all(reply: str, domain: str | None) -> None:
    assert load_domains().read(reply) == domain


def test_the_list_has_every_entry_once_and_its_source() -> None:
    domains = load_domains()
    assert len(domains.names) == len(set(domains.names)) > 70
    assert "Medical Subject Headings" in domains.source
    assert all(domains.read(name) == name for name in domains.names)


def test_the_prompt_shows_the_list_and_the_question_as_it_is() -> None:
    asked = load_domains().asked("Which {domains} braces {question}?")
    assert "\nvirology\n[End of the subjects]" in asked
    assert "[Question]\nWhich {domains} braces" in asked
    assert len(load_domains().asked("a" * 100_000)) < MOST_QUESTION_CHARACTERS + 3_000
