import assert from "node:assert/strict";
import { test } from "node:test";
import { readChoices, writeChoices } from "../../../../m1app/ui/strategies/written_choices.js";

test("strategies are read with their options, in their order", () => {
  assert.deepEqual(readChoices(" vote:k=4, adaptive-vote:k=8:share=0.75 ,budget-forcing"), [
    { name: "vote", options: { k: "4" } },
    { name: "adaptive-vote", options: { k: "8", share: "0.75" } },
    { name: "budget-forcing", options: {} },
  ]);
  assert.deepEqual(readChoices(" , "), []);
});

test("a model may have colons in its name", () => {
  assert.deepEqual(readChoices("best-of-n:judge=m1-7B @ 127.0.0.1:8001:n=2"), [
    { name: "best-of-n", options: { judge: "m1-7B @ 127.0.0.1:8001", n: "2" } },
  ]);
});

test("what is read is written as it was", () => {
  for (const text of ["vote:k=4,vote:k=8", "budget-forcing", "best-of-n:n=4:judge=", "", "lottery,vote:k"]) {
    assert.equal(writeChoices(readChoices(text)), text);
  }
});

test("a model's name may have what separates choices", () => {
  const chosen = [{ name: "best-of-n", options: { judge: "me/judge:Q4_K_M, 50%3A" } }];
  assert.equal(writeChoices(chosen), "best-of-n:judge=me/judge%3AQ4_K_M%2C 50%253A");
  assert.deepEqual(readChoices(writeChoices(chosen)), chosen);
  assert.deepEqual(readChoices("best-of-n:judge=a%b"), [{ name: "best-of-n", options: { judge: "a%b" } }]);
});

test("what cannot be read is left as it is, for the app to refuse", () => {
  assert.deepEqual(readChoices("vote:k:=3"), [{ name: "vote:k:=3", options: {} }]);
});
