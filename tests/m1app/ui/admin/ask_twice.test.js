import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { askTwice } from "../../../../m1app/ui/admin/ask_twice.js";

/** A button as far as it is used, and how often it acted. */
function button() {
  const made = Object.assign(new EventTarget(), { textContent: "Delete", dataset: {}, focus() {}, acted: 0 });
  askTwice(/** @type {any} */ (made), "Really?", () => {
    made.acted += 1;
  });
  return { made, send: (/** @type {string} */ event) => made.dispatchEvent(new Event(event)) };
}

test("the second press acts, however late it comes", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { made, send } = button();
  send("click");
  mock.timers.tick(3_600_000);
  assert.deepEqual([made.textContent, made.dataset, made.acted], ["Really?", { sure: "" }, 0]);
  send("click");
  assert.deepEqual([made.textContent, made.dataset, made.acted], ["Delete", {}, 1]);
  mock.timers.reset();
});

test("a press after the focus has been elsewhere asks again", () => {
  const { made, send } = button();
  send("click");
  send("blur");
  assert.equal(made.textContent, "Delete");
  send("click");
  assert.deepEqual([made.textContent, made.acted], ["Really?", 0]);
});
