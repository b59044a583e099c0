import assert from "node:assert/strict";
import { test } from "node:test";
import { shortTime } from "../../../../m1app/ui/shell/words.js";

test("a time has its year only if that is another one", () => {
  const now = new Date("2026-11-29T12:00:00Z");
  assert.doesNotMatch(shortTime("2026-03-05T12:00:00Z", now), /2026/);
  assert.match(shortTime("2025-03-05T12:00:00Z", now), /2025/);
});
