import assert from "node:assert/strict";
import { test } from "node:test";
import { nextSegment, nudged, TextIndex, trimmed, wholeWords, wordsOf } from "../../../../m1app/ui/shell/text_index.js";

const TEXTS = ["", "plain", "é\u0301 ", "a🫀b🩺🩺c", "🩺", "𝒳\r\nÄ", "👩‍⚕️ says"];

test("code points and code units lead to each other at every place of a text", () => {
  for (const text of TEXTS) {
    const index = new TextIndex(text);
    const characters = [...text];
    let units = 0;
    for (let points = 0; points <= characters.length; points += 1) {
      assert.equal(index.units(points), units, `${text}: ${points} points`);
      assert.equal(index.points(units), points, `${text}: ${units} units`);
      units += characters[points]?.length ?? 0;
    }
  }
});

test("a selection never ends within a character of two code units", () => {
  const index = new TextIndex("a🩺b");
  assert.deepEqual(index.pointsOf([1, 2]), [1, 2]);
  assert.deepEqual(index.pointsOf([1, 3]), [1, 2]);
  assert.deepEqual(index.pointsOf([0, 4]), [0, 3]);
});

test("words are those that people read, without punctuation and white space", () => {
  const text = "  Give 5 mg, then  wait.";
  const words = wordsOf(text).map((span) => text.slice(...span));
  assert.deepEqual(words, ["Give", "5", "mg", "then", "wait"]);
});

test("arrow keys lead from segment to segment and stop at the ends", () => {
  /** @type {[number, number][]} */
  const segments = [
    [0, 4],
    [5, 6],
    [7, 9],
  ];
  assert.deepEqual(nextSegment(segments, [0, 0], true), [0, 4]);
  assert.deepEqual(nextSegment(segments, [0, 4], true), [5, 6]);
  assert.deepEqual(nextSegment(segments, [7, 9], false), [5, 6]);
  assert.equal(nextSegment(segments, [7, 9], true), undefined);
  assert.equal(nextSegment(segments, [0, 4], false), undefined);
});

test("the end of a selection moves by whole characters", () => {
  const text = "a👩‍⚕️b";
  const doctor = "👩‍⚕️".length;
  assert.deepEqual(nudged(text, [0, 1], true), [0, 1 + doctor]);
  assert.deepEqual(nudged(text, [0, 1 + doctor], false), [0, 1]);
});

test("a selection is never made empty, and the end of the text holds", () => {
  assert.deepEqual(nudged("ab", [0, 1], false), [0, 1]);
  assert.deepEqual(nudged("ab", [0, 2], true), [0, 2]);
});

test("white space at the ends of a selection is left out", () => {
  assert.deepEqual(trimmed(" a b\n", [0, 5]), [1, 4]);
  assert.equal(trimmed(" \n ", [0, 3]), null);
});

test("a span that cuts words holds them whole, and one that cuts none stays", () => {
  const text = "Give 5.5 mg, then  wait: 不能出血。";
  const whole = (/** @type {[number, number]} */ span) => text.slice(...wholeWords(text, wordsOf(text), span));
  assert.equal(whole([2, 7]), "Give 5.5");
  assert.equal(whole([5, 11]), "5.5 mg");
  assert.equal(whole([11, 21]), ", then  wait");
  assert.equal(whole([26, 28]), "能出", "where words end without spaces is a guess");
});
