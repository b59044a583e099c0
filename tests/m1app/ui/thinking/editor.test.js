import assert from "node:assert/strict";
import { test } from "node:test";
import { edgesOf } from "../../../../m1app/ui/probe/branch_tree.js";
import { sentenceBeside, tokensBefore } from "../../../../m1app/ui/thinking/editor.js";
import { heats } from "../../../../m1app/ui/thinking/heat.js";

const PIECES = [
  { start: 0, end: 10, sentence: 0, kind: "" },
  { start: 10, end: 12, sentence: null, kind: "" },
  { start: 12, end: 16, sentence: 1, kind: "" },
  { start: 16, end: 20, sentence: 1, kind: "edit" },
];

test("the arrow keys lead from sentence to sentence, and the ends hold", () => {
  assert.deepEqual(sentenceBeside(PIECES, null, 1), [0, 10]);
  assert.deepEqual(sentenceBeside(PIECES, 0, 1), [12, 20]);
  assert.deepEqual(sentenceBeside(PIECES, 12, -1), [0, 10]);
  assert.equal(sentenceBeside(PIECES, 12, 1), null);
  assert.equal(sentenceBeside([], null, 1), null);
});

test("tokens before a place are shared out within its segment", () => {
  /** @type {[number, number][]} */
  const ends = [
    [0, 0],
    [100, 20],
    [110, 30],
  ];
  assert.deepEqual(
    [0, 50, 100, 105, 999].map((place) => tokensBefore(ends, place)),
    [0, 10, 20, 25, 30],
  );
});

test("the largest change is tinted most, and a fall otherwise than a rise", () => {
  assert.deepEqual(heats([0.4, -0.2, null, 0.001]), [
    { heat: 1, way: "up" },
    { heat: 0.5, way: "down" },
    { heat: 0, way: "" },
    { heat: 0, way: "" },
  ]);
});

test("a branch hangs from its parent in the drawing", () => {
  const node = { name: "", written: "", letter: "", verdict: "", said: "", link: "", is_shown: false };
  const nodes = [
    { ...node, id: "a", parent: "", depth: 0 },
    { ...node, id: "b", parent: "a", depth: 1 },
  ];
  assert.deepEqual(edgesOf(nodes), ["M8 28V66H20"]);
});
