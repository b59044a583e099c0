// Selecting by keyboard, without a page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyboardCaret } from "../../../../m1app/ui/shell/keyboard_caret.js";
import { sentencesOf, wordsOf } from "../../../../m1app/ui/shell/text_index.js";

const TEXT = "It is gout. Toes swell.\nGive colchicine.";

/** A caret, and what was chosen last. */
function caretIn(text = TEXT) {
  const seen = { chosen: "", focus: "" };
  const caret = new KeyboardCaret({
    text: () => text,
    words: () => wordsOf(text),
    sentences: () => sentencesOf(text),
    choose: (span, focus) => {
      seen.chosen = text.slice(...span);
      seen.focus = text.slice(...focus);
    },
  });
  /** @param {string} keys Such as "Shift+ArrowDown". */
  const press = (keys) => {
    const [key, ...held] = keys.split("+").reverse();
    let isTaken = false;
    const event = {
      key,
      shiftKey: held.includes("Shift"),
      ctrlKey: held.includes("Control"),
      altKey: held.includes("Alt"),
      metaKey: false,
      preventDefault: () => {
        isTaken = true;
      },
    };
    caret.take(/** @type {any} */ (event));
    return isTaken;
  };
  return { caret, seen, press };
}

test("arrow keys choose words and sentences, and Shift extends", () => {
  const { seen, press } = caretIn();
  press("ArrowDown");
  assert.equal(seen.chosen, "It is gout.");
  press("Shift+ArrowDown");
  assert.deepEqual([seen.chosen, seen.focus], ["It is gout. Toes swell.", "Toes swell."]);
  press("ArrowRight");
  assert.equal(seen.chosen, "Give");
  press("ArrowLeft");
  assert.equal(seen.chosen, "swell");
});

test("with Ctrl and Shift the end moves by a character, once something is chosen", () => {
  const { caret, seen, press } = caretIn();
  assert.ok(press("Control+Shift+ArrowRight"));
  assert.equal(seen.chosen, "");
  caret.place([6, 10]);
  press("Control+Shift+ArrowRight");
  assert.equal(seen.chosen, "gout.");
  press("Control+Shift+ArrowLeft");
  assert.equal(seen.chosen, "gout");
});

test("keys of others are left to them", () => {
  const { seen, press } = caretIn();
  assert.deepEqual(["a", "Alt+ArrowLeft", "Control+ArrowRight", "PageDown"].map(press), [false, false, false, false]);
  assert.equal(seen.chosen, "");
});

test("sentences end at line breaks, and white space is none", () => {
  const found = sentencesOf(`${TEXT}\n\n  `).map((span) => TEXT.slice(...span));
  assert.deepEqual(found, ["It is gout.", "Toes swell.", "Give colchicine."]);
  assert.deepEqual(sentencesOf(" \n "), []);
});
