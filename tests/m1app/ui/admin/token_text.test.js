import assert from "node:assert/strict";
import { test } from "node:test";
import { visible } from "../../../../m1app/ui/admin/token_text.js";

test("spaces and line breaks have signs", () => {
  assert.equal(visible(" a\tb\n"), "·a⇥b↵");
});

test("what would not be seen, or would turn the text around it, is named", () => {
  assert.equal(visible("\u202eevil\u0000\r"), "‹U+202E›evil‹U+0000›‹U+000D›");
  assert.equal(visible("\u200b\u00a0\u2028\u{e0041}"), "‹U+200B›‹U+00A0›‹U+2028›‹U+E0041›");
});

test("letters of any script stay", () => {
  assert.equal(visible("<b>é你א</b>"), "<b>é你א</b>");
});
