import assert from "node:assert/strict";
import { test } from "node:test";
import { piecesToAppend } from "../../../../m1app/ui/probe/streamed_text.js";

const think = (/** @type {string} */ text) => ({ kind: "think", text });
const wait = { kind: "wait", text: "Wait" };

test("only what is new of a growing segment is appended", () => {
  assert.deepEqual(piecesToAppend([think("one ")], [think("one two")]), [{ opens: null, text: "two" }]);
});

test("further segments are opened after the end of the one before", () => {
  assert.deepEqual(piecesToAppend([think("a")], [think("ab"), wait, think("c")]), [
    { opens: null, text: "b" },
    { opens: "wait", text: "Wait" },
    { opens: "think", text: "c" },
  ]);
});

test("the same again appends nothing", () => {
  assert.deepEqual(piecesToAppend([think("a"), wait], [think("a"), wait]), []);
});

test("another text, another kind or fewer segments are written anew", () => {
  assert.equal(piecesToAppend([think("abc")], [think("abd")]), null);
  assert.equal(piecesToAppend([think("Wait")], [wait]), null);
  assert.equal(piecesToAppend([think("a"), wait], [think("a")]), null);
});

test("text that grows within what is shown is not appended at the end", () => {
  assert.equal(piecesToAppend([think("a"), wait], [think("ab"), wait]), null);
});
