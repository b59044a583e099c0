import assert from "node:assert/strict";
import { test } from "node:test";
import { nextKey } from "../../../../m1app/ui/compare/heat_map.js";
import { nextPoint } from "../../../../m1app/ui/shell/reading_keys.js";

const GRID = { budgets: [16, 64], rounds: [0, 1] };
const CELL = { key: "16-0", budget: 16, rounds: 0, mark: "A", label: "16 tokens, 0 rounds" };

test("arrow keys lead to the neighbouring cells of the map, more rounds above", () => {
  assert.equal(nextKey(GRID, CELL, "ArrowRight"), "64-0");
  assert.equal(nextKey(GRID, CELL, "ArrowUp"), "16-1");
});

test("the map ends at its edges, and other keys go nowhere", () => {
  assert.deepEqual(
    ["ArrowLeft", "ArrowDown", "a"].map((key) => nextKey(GRID, CELL, key)),
    [null, null, null],
  );
});

test("the first arrow key reads the first point, and the ends hold", () => {
  assert.equal(nextPoint(-1, "ArrowRight", 3), 0);
  assert.equal(nextPoint(-1, "ArrowLeft", 3), 0);
  assert.equal(nextPoint(2, "ArrowRight", 3), 2);
  assert.deepEqual([nextPoint(1, "Home", 3), nextPoint(1, "End", 3)], [0, 2]);
  assert.equal(nextPoint(1, "a", 3), null);
});
