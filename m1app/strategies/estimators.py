"""Exact expectations over the k passes that are drawn, without replacement, from the n stored ones.

Drawing k of n passes once is a noisy estimate of what k passes give. The mean over all C(n, k) draws has a closed form
for the strategies here, so nothing is drawn. Pure, standard library only.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from math import comb

_MOST_KEPT = 50_000


def pass_at_k(n: int, right: int, k: int) -> float:
    """Chance that at least one of k passes is right: 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374).

    A ceiling that no way of choosing among the k passes exceeds.

    Args:
        n: stored passes.
        right: how many of them are right.
        k: 1 to n.

    Raises:
        ValueError: k or `right` is out of range.
    """
    _check(n, k)
    if not 0 <= right <= n:
        raise ValueError(f"{right} of {n} passes cannot be right")
    return 1 - comb(n - right, k) / comb(n, k)


def majority_at_k(right: int, others: Sequence[int], blank: int, k: int) -> float:
    """Chance that the right answer wins the vote of k passes; a tie counts by the number of answers that share it.

    Args:
        right: stored passes with the right answer.
        others: stored passes with each wrong answer.
        blank: stored passes without an answer; they are drawn too, and vote for nothing.
        k: 1 to the number of stored passes.

    Raises:
        ValueError: k is out of range.
    """
    _check(right + sum(others) + blank, k)
    return _majority(right, tuple(sorted(others)), blank, k)


@lru_cache(maxsize=_MOST_KEPT)  # Questions of a run share few distributions of votes.
def _majority(right: int, others: tuple[int, ...], blank: int, k: int) -> float:
    won = 0.0
    for votes in range(1, min(right, k) + 1):
        ways = _ways_below(others, blank, k - votes, votes)
        won += comb(right, votes) * sum(count / (ties + 1) for ties, count in enumerate(ways))
    return won / comb(right + sum(others) + blank, k)


def _ways_below(others: tuple[int, ...], blank: int, drawn: int, most: int) -> list[int]:
    """Ways to draw `drawn` passes with at most `most` of each other answer, by how many answers have just `most`."""
    # ways[d][t]: d passes drawn so far, t answers with `most` votes.
    ways = [[comb(blank, d)] + [0] * len(others) for d in range(drawn + 1)]
    for stored in others:
        grown = [[0] * (len(others) + 1) for _ in range(drawn + 1)]
        for before, by_ties in enumerate(ways):
            for votes in range(min(stored, most, drawn - before) + 1):
                for ties, count in enumerate(by_ties):
                    if count:
                        grown[before + votes][ties + (votes == most)] += count * comb(stored, votes)
        ways = grown
    return ways[drawn]


def first_of_k(keys: Sequence[float], k: int) -> list[float]:
    """Chance of each of n passes to have the smallest key among k; equal keys share it.

    With lengths as keys this is the winner of a race (First Finish Search, arXiv 2505.18149): the weighted sum of the
    passes' lengths is the expected length of the race. With negative scores it is the best of k by score
    (arXiv 2406.06647).

    Args:
        keys: one of each stored pass.
        k: 1 to n.

    Raises:
        ValueError: k is out of range.
    """
    n = len(keys)
    _check(n, k)
    order = sorted(range(n), key=keys.__getitem__)
    # The pass at rank r (from 0) is first if the other k - 1 come from the n - r - 1 behind it.
    by_rank = [comb(n - rank - 1, k - 1) / comb(n, k) for rank in range(n)]
    chances, rank = [0.0] * n, 0
    for _, equal in groupby(order, key=keys.__getitem__):
        passes = list(equal)
        share = sum(by_rank[rank : rank + len(passes)]) / len(passes)
        for each in passes:
            chances[each] = share
        rank += len(passes)
    return chances


def _check(n: int, k: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"{k} passes cannot be drawn from {n}")
