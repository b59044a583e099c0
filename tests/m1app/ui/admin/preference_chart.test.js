import assert from "node:assert/strict";
import { test } from "node:test";
import { preferenceFigure, rewardFigure } from "../../../../m1app/ui/admin/preference_chart.js";

const VALUE = {
  margin: /** @type {[number, number][]} */ ([
    [1, 0],
    [2, 0.2],
  ]),
  margin_held_out: /** @type {[number, number][]} */ ([[0, 0]]),
  accuracy: /** @type {[number, number][]} */ ([
    [1, 0.5],
    [2, 1],
  ]),
  accuracy_held_out: /** @type {[number, number][]} */ ([[0, 0.5]]),
};

test("margins and shares of pairs have an axis each, and held-out ones a line of their own", () => {
  const { data, layout } = preferenceFigure(VALUE, (name) => name);
  assert.deepEqual(
    data.map(({ name }) => name),
    ["margin", "margin, held out", "pairs right", "pairs right, held out"],
  );
  assert.deepEqual(data[0].y, [0, 0.2]);
  assert.deepEqual(data[2].x, [1, 2]);
  assert.deepEqual(layout.yaxis2.range, [-0.03, 1.03]);
});

test("right answers are drawn as shares", () => {
  const { data, layout } = rewardFigure(
    { right: VALUE.accuracy, right_held_out: VALUE.accuracy_held_out },
    (name) => name,
  );
  assert.deepEqual(data[0].y, [0.5, 1]);
  assert.equal(layout.yaxis.tickformat, ".0%");
});
