import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, chipsOf, chipWords, filterOf } from "../../../../m1app/ui/annotate/filters.js";

test("an address keeps the filters, and nothing else becomes one", () => {
  const filter = filterOf(new URLSearchParams("verdict=wrong&words=a+b&case=7&start=1&todo="));
  assert.deepEqual(filter, { verdict: "wrong", words: "a b" });
});

test("filter, view and case come back from the address", () => {
  const address = new URLSearchParams(addressOf({ verdict: "wrong", words: "ä & b" }, { tab: "cases", caseId: "7" }));
  assert.deepEqual(filterOf(address), { verdict: "wrong", words: "ä & b" });
  assert.equal(address.get("case"), "7");
  assert.equal(address.has("tab"), false);
});

test("another view than the cases is named", () => {
  assert.equal(addressOf({}, { tab: "summary", caseId: "" }), "tab=summary");
});

test("what has no field of its own is shown as a chip", () => {
  assert.deepEqual(chipsOf({ budget: 256, rounds: "0", run: "", model: "m" }), { budget: "256", rounds: "0" });
  assert.equal(chipWords("run", "0123456789abcdef"), "Run 01234567");
  assert.equal(chipWords("budget", "256"), "Budget 256");
});
