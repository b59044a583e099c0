import assert from "node:assert/strict";
import { test } from "node:test";
import { metricFigure } from "../../../../m1app/ui/admin/compared_runs.js";
import { queryToSet } from "../../../../m1app/ui/admin/jobs.js";

const ink = (/** @type {string} */ name) => name;
const runs = Array.from({ length: 9 }, (_, number) => ({ name: `run ${number}` }));

test("runs are told apart by colour and dash, and those without the metric keep their place", () => {
  const lines = runs.map((_, number) => (number === 1 ? [] : [[1, number, null, null, null]]));
  const { data } = metricFigure({ metric: "loss", title: "", lines: /** @type {any} */ (lines), said: "" }, runs, ink);
  assert.deepEqual([data[0].name, data[2].name, data[1].x], ["run 0", "run 2", []]);
  const looks = data.map((/** @type {any} */ each) => `${each.line.color} ${each.line.dash}`);
  assert.equal(new Set(looks.slice(0, 8)).size, 8);
  assert.equal(data[8].line.color, "--m1-line-0");
});

test("an accuracy has its interval and a fixed scale", () => {
  const lines = /** @type {any} */ ([[[20, 0.5, 0.25, 0.75, 4]]]);
  const { data, layout } = metricFigure({ metric: "accuracy", title: "", lines, said: "" }, runs, ink);
  assert.deepEqual([data[0].error_y.array, data[0].error_y.arrayminus], [[0.25], [0.25]]);
  assert.deepEqual([data[0].text, layout.yaxis.range], [["25.0% to 75.0%, n = 4"], [0, 1]]);
});

test("the address names the job, or else the runs", () => {
  const at = (/** @type {string} */ search) => new URL(`http://host/admin/${search}`);
  assert.equal(queryToSet(at(""), "a", "b,c"), "?job=a");
  assert.equal(queryToSet(at("?job=a"), "", "b,c"), "?runs=b,c");
  assert.equal(queryToSet(at("?runs=b,c"), "", "b,c"), null);
  assert.equal(queryToSet(at("?runs=b,c"), "", ""), "");
  assert.equal(queryToSet(at("?tab=sets"), "", ""), null);
});
