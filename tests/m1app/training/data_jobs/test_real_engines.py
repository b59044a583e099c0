"""Jobs that ask about samples, on real engines: all is asked within the estimate, and only what is checked is kept."""

from collections import Counter
from pathlib import Path

import pytest

from m1app.bootstrap import Services
from m1app.training.curation import CurationPlan, curate
from m1app.training.data_jobs.domains import load_domains
from m1app.training.data_jobs.recipe import DataJobRecipe
from m1app.training.data_jobs.replies import Replies
from m1app.training.data_sets import DataSetVersion
from m1app.training.errors import TooLittleData
from tests.m1app.training.training_cases import some_samples

COUNT = 9
THINKING, ANSWER = 16, 12


@pytest.fixture
def asking(services: Services, tmp_path: Path) -> Services:
    """The app over each real engine in turn, with the data set exam:v1."""
    plan = CurationPlan()
    services.training_data.data_sets.add("exam", curate(some_samples(COUNT), plan, evaluation={}), plan, ())
    (tmp_path / "job").mkdir()
    return services


async def test_a_real_model_names_domains_or_is_refused(asking: Services, tmp_path: Path) -> None:
    recipe = DataJobRecipe.parse({"action": "tag", "source": "exam:v1"})
    estimate = await asking.data_jobs.estimate(recipe)
    made = await asking.data_jobs.run(recipe, tmp_path / "job")
    replies = Replies(tmp_path / "job" / "replies.jsonl").known
    assert len(replies) == estimate.requests == COUNT
    assert sum(each.generated for each in replies.values()) <= estimate.most_generated
    assert isinstance(made, DataSetVersion)
    # The model is small: whatever it names, only entries of the list become domains.
    domains = load_domains()
    named = Counter(domains.read(each.answer) or "Endocrinology" for each in replies.values())
    assert Counter(each.domain for each in asking.training_data.samples(made.id)) == named


async def test_a_real_teachers_reasoning_is_kept_only_where_its_answer_is_verified(
    asking: Services, tmp_path: Path
) -> None:
    recipe = DataJobRecipe.parse(
        {
            "action": "distill", "source": "exam:v1", "name": "taught",
            "thinking_tokens": THINKING, "answer_tokens": ANSWER,
        }
    )  # fmt: skip
    estimate = await asking.data_jobs.estimate(recipe)
    try:
        made = await asking.data_jobs.run(recipe, tmp_path / "job")
        assert isinstance(made, DataSetVersion)
        kept = made.samples
    except TooLittleData as exc:
        assert "samples are left" in str(exc)
        kept = 0
    replies = Replies(tmp_path / "job" / "replies.jsonl").known
    assert len(replies) == COUNT
    assert 0 < sum(each.generated for each in replies.values()) <= estimate.most_generated
    whole = [each for each in replies.values() if each.is_whole and each.reasoning.strip() and each.answer.strip()]
    assert kept <= len(whole)
