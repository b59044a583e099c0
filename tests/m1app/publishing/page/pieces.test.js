import assert from "node:assert/strict";
import { test } from "node:test";
import { cut, piecesOf } from "../../../../m1app/publishing/page/pieces.js";

/** @typedef {import("../../../../m1app/publishing/page/pieces.js").Segment} Segment */

/** @type {Segment[]} */
const SEGMENTS = [
  ["think", "An 🫀 beats.", 4],
  ["wait", "Wait", 1],
  ["think", ", no.", 2],
];

test("positions are code points, whatever a browser counts", () => {
  assert.equal(cut("a🫀bc", 1, 3), "🫀b");
  assert.equal(cut("abc", 1), "bc");
});

test("a thinking ends at its cut, which may be inside of a part", () => {
  const pieces = piecesOf(SEGMENTS, 13, []);
  assert.deepEqual(
    pieces.map(({ text, kind }) => [text, kind]),
    [
      ["An 🫀 beats.", "think"],
      ["Wa", "wait"],
    ],
  );
});

test("what is marked is a piece of its own, also where marks overlap or cross parts", () => {
  const pieces = piecesOf(SEGMENTS, Number.POSITIVE_INFINITY, [
    [3, 13],
    [5, 7],
  ]);
  assert.equal(pieces.map(({ text }) => text).join(""), "An 🫀 beats.Wait, no.");
  assert.equal(
    pieces
      .filter(({ isMarked }) => isMarked)
      .map(({ text }) => text)
      .join(""),
    "🫀 beats.Wa",
  );
});
