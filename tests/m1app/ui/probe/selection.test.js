// Selections of a streamed text, which the page shows with other line breaks than the text has.
import assert from "node:assert/strict";
import { test } from "node:test";
import { spanOf } from "../../../../m1app/ui/probe/selection.js";

test("a selection is found in the text by its characters without line breaks", () => {
  const text = "One heart.\nTwo \u{1fac0} hearts.\n\nWait, three.";
  assert.deepEqual(spanOf(text, "One heart.Two \u{1fac0} ", "hearts"), { start: 17, end: 23 });
});

test("a selection over lines keeps the breaks between them", () => {
  assert.deepEqual(spanOf("a\n\nb c", "", "ab"), { start: 0, end: 4 });
});

test("an empty selection is none", () => {
  assert.equal(spanOf("abc", "a", "\n"), null);
});
