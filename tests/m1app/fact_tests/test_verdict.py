"""What a test says of its outcomes."""

import itertools

import pytest

from m1app.fact_tests.verdict import VerdictKind, judge

NEVER, FACT, ANY, ALWAYS = (0, 0, 0), (0, 1, 0), (0, 1, 1), (1, 1, 1)


def outcomes(*several):
    return [tuple(map(bool, each)) for each, count in several for _ in range(count)]


@pytest.mark.parametrize(
    ("several", "kind"),
    [
        ([(FACT, 5)], VerdictKind.KNOWLEDGE_MISSING),
        ([(FACT, 4), (NEVER, 1)], VerdictKind.NOT_DECIDABLE),  # One-sided McNemar: 1/16.
        ([(FACT, 5), (NEVER, 15)], VerdictKind.KNOWLEDGE_MISSING),  # 1/32, although most seeds stay wrong.
        ([(NEVER, 5)], VerdictKind.DID_NOT_HELP),
        ([(NEVER, 4), (FACT, 1)], VerdictKind.NOT_DECIDABLE),
        ([(NEVER, 18), (FACT, 2)], VerdictKind.DID_NOT_HELP),
        ([(ANY, 5)], VerdictKind.ANY_TEXT),
        ([((0, 0, 1), 5)], VerdictKind.ANY_TEXT),
        ([(ANY, 5), (FACT, 5)], VerdictKind.KNOWLEDGE_MISSING),  # Any text helps, and the fact helps more.
        ([(ALWAYS, 5)], VerdictKind.RIGHT_ANYWAY),
        ([((1, 0, 0), 5)], VerdictKind.RIGHT_ANYWAY),
        ([], VerdictKind.NOT_DECIDABLE),
    ],
)
def test_each_verdict_has_its_outcomes(several, kind):
    assert judge(outcomes(*several)).kind is kind


@pytest.mark.parametrize(
    ("several", "enough", "said"),
    [
        ([(FACT, 2), (NEVER, 3)], 12, "Not decidable with k = 5; about 12 would be enough (right with 2 of 5 seeds"),
        ([(FACT, 4), (NEVER, 1)], 6, "Not decidable with k = 5; about 6 would be enough"),
        ([], None, "Not decidable yet"),
    ],
)
def test_what_is_not_decidable_says_how_many_seeds_would_do(several, enough, said):
    found = judge(outcomes(*several))
    assert found.enough_seeds == enough
    assert found.sentence.startswith(said)


def test_more_seeds_than_a_test_has_are_said_to_be_too_many():
    found = judge(outcomes((NEVER, 5), ((1, 0, 0), 5), (FACT, 10)))
    assert found.kind is VerdictKind.NOT_DECIDABLE
    assert found.enough_seeds > 20
    assert f"about {found.enough_seeds} seeds would be needed, more than the 20 a test allows" in found.sentence


def test_so_many_seeds_at_the_same_rates_do_decide():
    several = list(itertools.product((False, True), repeat=3))[:2] + [(False, True, False)] * 3
    found = judge(several)
    assert found.enough_seeds is not None
    scaled = judge([each for each in several for _ in range(found.enough_seeds)])
    assert scaled.kind is not VerdictKind.NOT_DECIDABLE
