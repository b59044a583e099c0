import assert from "node:assert/strict";
import { test } from "node:test";
import { runsOf, standingFor } from "../../../../m1app/ui/compare/runs_of_text.js";

const TEXT = "It is B. Wait it is A.";
/** @type {[number, number][]} */
const WAITS = [[9, 13]];
/** @type {[number, number]} */
const UNMARKED = [0, 0];

test("a prefix is cut where the column to the left ends, and at each Wait", () => {
  assert.deepEqual(runsOf(TEXT, [0, TEXT.length], { waits: WAITS, sharedEnd: 5, marked: UNMARKED }), [
    { text: "It is", kind: "is-shared", beginsWait: false },
    { text: " B. ", kind: "is-own", beginsWait: false },
    { text: "Wait", kind: "m1-wait is-own", beginsWait: true },
    { text: " it is A.", kind: "is-own", beginsWait: false },
  ]);
});

test("what is appended piece by piece reads as what is written at once", () => {
  const marks = { waits: WAITS, sharedEnd: 11, marked: /** @type {[number, number]} */ ([6, 12]) };
  const atOnce = runsOf(TEXT, [0, TEXT.length], marks);
  for (let cut = 0; cut <= TEXT.length; cut += 1) {
    const pieces = [...runsOf(TEXT, [0, cut], marks), ...runsOf(TEXT, [cut, TEXT.length], marks)];
    const kinds = (/** @type {typeof pieces} */ runs) => runs.flatMap(({ text, kind }) => [...text].map(() => kind));
    assert.deepEqual(kinds(pieces), kinds(atOnce));
    assert.equal(pieces.map(({ text }) => text).join(""), TEXT);
  }
});

test("only the beginning of a Wait starts a line", () => {
  const [run] = runsOf(TEXT, [11, 13], { waits: WAITS, sharedEnd: 0, marked: UNMARKED });
  assert.deepEqual(run, { text: "it", kind: "m1-wait is-own", beginsWait: false });
});

test("a column to the left without an end shares everything", () => {
  const runs = runsOf(TEXT, [0, 8], { waits: [], sharedEnd: Number.POSITIVE_INFINITY, marked: UNMARKED });
  assert.deepEqual(runs, [{ text: "It is B.", kind: "is-shared", beginsWait: false }]);
});

test("a cell is opened in its own column, else in one with the same cut", () => {
  const [first, same, other, waiting] = [
    { key: "16-0", cut: "6-natural" },
    { key: "64-0", cut: "6-natural" },
    { key: "64-1", cut: "40-budget" },
    { key: "128-1", cut: "" },
  ];
  const cells = [first, same, other, waiting];
  assert.equal(standingFor("64-0", cells, cells), same);
  assert.equal(standingFor("64-0", cells, [first, other]), first);
  assert.equal(standingFor("64-1", cells, [first]), undefined);
  assert.equal(standingFor("128-1", cells, [{ key: "256-1", cut: "" }]), undefined);
});
