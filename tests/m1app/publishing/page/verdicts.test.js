import assert from "node:assert/strict";
import { test } from "node:test";
import { CHOICES, isChosen, verdictWords } from "../../../../m1app/publishing/page/verdicts.js";

const CODES = [..."rwnfo-"];

test("every verdict has a name and a mark, and no two look alike", () => {
  assert.equal(new Set(CODES.map((code) => verdictWords(code).name)).size, CODES.length);
  assert.equal(new Set(CODES.map((code) => verdictWords(code).mark)).size, CODES.length);
  assert.equal(verdictWords("?").name, "not asked");
});

test("a question that is scored twice has one of the four ways, any other has none", () => {
  const ways = CHOICES.map(([value]) => value).filter((value) => value.includes("-"));
  for (const before of CODES) {
    for (const after of CODES) {
      const found = ways.filter((way) => isChosen(way, before, after));
      const isScored = "rwnf".includes(before) && "rwnf".includes(after);
      assert.equal(found.length, isScored ? 1 : 0, `${before}${after}`);
    }
  }
  assert.ok(isChosen("right-wrong", "r", "n"));
  assert.ok(isChosen("", "o", "-"));
  assert.ok(isChosen("unanswered", "r", "n") && !isChosen("unanswered", "r", "w"));
  assert.ok(isChosen("failed", "-", "f") && !isChosen("failed", "f", "r"));
});
