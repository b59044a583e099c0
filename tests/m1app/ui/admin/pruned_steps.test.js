import assert from "node:assert/strict";
import { test } from "node:test";
import { stepWords } from "../../../../m1app/ui/admin/pruned_steps.js";

const STEP = { text: "Wait.", label: "verification", importance: null, is_pruned: false };

test("a step says what it does, how much it matters, and whether it was pruned", () => {
  assert.equal(stepWords(STEP), "verification");
  assert.equal(stepWords({ ...STEP, importance: 1.7918 }), "verification, importance 1.79");
  assert.equal(
    stepWords({ ...STEP, label: "correction", importance: -0.154, is_pruned: true }),
    "correction, importance −0.15, pruned",
  );
});
