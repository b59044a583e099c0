import assert from "node:assert/strict";
import { test } from "node:test";
import { firstWords, isBulk, isReplaced, isSame } from "../../../../m1app/ui/question/question_change.js";

const SCURVY = "Which vitamin is lacking in a sailor with bleeding gums?";
const WRIST = "Which nerve is injured in a man with wrist drop?";

test("another question over a selected or removed one replaces it", () => {
  assert.ok(isReplaced(SCURVY, WRIST, true));
  assert.ok(isReplaced(SCURVY, "Wh", true));
});

test("an edit, a correction, an addition and a removal replace nothing", () => {
  assert.ok(!isReplaced(SCURVY, SCURVY.replace("sailor", "seaman"), false));
  assert.ok(!isReplaced(SCURVY, `${SCURVY} He is old.`, true));
  assert.ok(!isReplaced(SCURVY, SCURVY.slice(0, 8), false));
  assert.ok(!isReplaced(SCURVY, "", true));
  assert.ok(!isReplaced("", WRIST, true));
});

test("a text that keeps hardly a word replaces a question that was not selected as a whole", () => {
  assert.ok(isReplaced(SCURVY, "Name one sign of heart failure.", false));
});

test("words are told apart in every script", () => {
  assert.ok(isReplaced("какой нерв повреждён", "где находится печень", true));
});

test("what comes at once was pasted", () => {
  assert.ok(isBulk("", SCURVY));
  assert.ok(isBulk(SCURVY, WRIST));
  assert.ok(!isBulk("Whic", "Which"));
});

test("a question is named by its first words", () => {
  assert.equal(firstWords("Why so?"), "Why so?");
  assert.equal(firstWords(SCURVY), "Which vitamin is lacking in a sailor with …");
});

test("a question is the same with its options in their box and without", () => {
  assert.ok(isSame(["Why?\nA. x\nB. y", "", ""], ["Why?", "A. x\nB. y", ""]));
  assert.ok(isSame(["Why? ", "", ""], ["Why?", "", ""]));
  assert.ok(!isSame(["Why? And how?", "", ""], ["Why?", "", ""]));
  assert.ok(!isSame(["Why?", "A. x\nB. y", "A"], ["Why?", "A. x\nB. y", "B"]));
});
