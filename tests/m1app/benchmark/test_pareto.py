import math

from hypothesis import given
from hypothesis import strategies as st

from m1app.benchmark.charts.panels import pareto_front

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


def is_beaten(point: tuple[float, float], others: list[tuple[float, float]]) -> bool:
    return any(cost <= point[0] and value >= point[1] and (cost, value) != point for cost, value in others)


@given(POINTS)
def test_front_holds_exactly_the_points_that_no_other_beats(points: list[tuple[float, float]]) -> None:
    assert set(pareto_front(points)) == {i for i, point in enumerate(points) if not is_beaten(point, points)}


@given(POINTS)
def test_front_goes_up_in_cost_and_in_value(points: list[tuple[float, float]]) -> None:
    front = [points[i] for i in pareto_front(points)]
    assert front == sorted(front)
    assert [value for _, value in front] == sorted(value for _, value in front)


def test_a_point_without_a_number_is_on_no_front() -> None:
    assert pareto_front([(1.0, math.nan), (2.0, 0.5), (math.nan, 0.9)]) == (1,)
