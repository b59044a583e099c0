import assert from "node:assert/strict";
import { test } from "node:test";
import { activityWords } from "../../../../m1app/ui/admin/tuned.js";

const RUNNING = { words: "quantizing to q8_0", share: null, is_running: true, done: "", error: "" };

test("an activity says how far it is, what came of it, or why it ended", () => {
  assert.equal(activityWords(RUNNING), "quantizing to q8_0…");
  assert.equal(activityWords({ ...RUNNING, share: 0.256 }), "quantizing to q8_0, 26%");
  assert.equal(activityWords({ ...RUNNING, is_running: false, done: "It is there." }), "It is there.");
  assert.equal(activityWords({ ...RUNNING, is_running: false, error: "The disk is full." }), "The disk is full.");
});
