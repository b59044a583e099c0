"""Exact expectations over the k passes that are drawn, without replacement, from the n stored ones.

Drawing k of n passes once is a noisy estimate of what k passes give. The mean over all C(n, k) draws has a closed form
for the strategies here, so nothing is drawn. Pure.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import comb, fsum, log2

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
    n = right + sum(others) + blank
    _check(n, k)
    return _majority(right, tuple(sorted(filter(None, others))), blank)[k - 1]


@lru_cache(maxsize=_MOST_KEPT)  # Questions of a run share few distributions of votes.
def _majority(right: int, others: tuple[int, ...], blank: int) -> tuple[float, ...]:
    """The chance at k of 1, 2, ... all passes."""
    n = right + sum(others) + blank
    won = [0.0] * (n + 1)
    for votes in range(1, right + 1):
        for drawn, by_ties in enumerate(_ways_below(others, blank, votes)):
            share = sum(count / (ties + 1) for ties, count in enumerate(by_ties) if count)
            won[votes + drawn] += comb(right, votes) * share
    return tuple(ways / comb(n, k) for k, ways in enumerate(won))[1:]


def _ways_below(others: tuple[int, ...], blank: int, most: int) -> list[list[int]]:
    """Ways to draw passes with at most `most` of each other answer.

    Returns:
        By how many are drawn, then by how many answers have just `most`.
    """
    ways = [[comb(blank, drawn)] for drawn in range(blank + 1)]
    for stored in others:
        ties = len(ways[0])
        of_this = [comb(stored, votes) for votes in range(min(stored, most) + 1)]
        grown = [[0] * (ties + 1) for _ in range(len(ways) + len(of_this) - 1)]
        for before, by_ties in enumerate(ways):
            for votes, choices in enumerate(of_this):
                row, shift = grown[before + votes], int(votes == most)
                for tied, count in enumerate(by_ties):
                    row[tied + shift] += count * choices
        ways = grown
    return ways


def first_of_k(keys: ArrayLike, k: int) -> NDArray[np.float64]:
    """Chance of each of n passes to have the smallest key among k; equal keys share it.

    With lengths as keys this is the winner of a race (First Finish Search, arXiv 2505.18149): the weighted sum of the
    passes' lengths is the expected length of the race. With negative scores it is the best of k by score
    (arXiv 2406.06647).

    Args:
        keys: [..., n], one of each stored pass.
        k: 1 to n.

    Returns:
        [..., n].

    Raises:
        ValueError: k is out of range.
    """
    given = np.asarray(keys, dtype=np.float64)
    n = given.shape[-1]
    _check(n, k)
    # The pass at rank r (from 0) is first if the other k - 1 come from the n - r - 1 behind it.
    by_rank = [comb(n - rank - 1, k - 1) / comb(n, k) for rank in range(n)]
    of_the_first = np.concatenate([[0.0], np.cumsum(by_rank)])
    smaller = (given[..., None, :] < given[..., :, None]).sum(axis=-1)
    equal = (given[..., None, :] == given[..., :, None]).sum(axis=-1)
    return np.asarray((of_the_first[smaller + equal] - of_the_first[smaller]) / equal)


def _check(n: int, k: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"{k} passes cannot be drawn from {n}")


def entropy_of(weights: Sequence[float]) -> float:
    """Entropy in bits of probabilities or votes, which need not add up to 1; 0 if there are none."""
    total = fsum(weights)
    shares = [weight / total for weight in weights if weight > 0] if total > 0 else []
    return max(0.0, -fsum(share * log2(share) for share in shares))
