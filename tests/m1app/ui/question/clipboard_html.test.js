import assert from "node:assert/strict";
import { test } from "node:test";
import { copiedPart, pasted } from "../../../../m1app/ui/question/clipboard_html.js";

const LIST = "<ol type=A><li>Liver</li><li>Spleen</li></ol>";

test("only what was copied is taken, without the styles before it", () => {
  const html = `<html><style>p { color: red }</style><body><!--StartFragment-->${LIST}<!--EndFragment--></body></html>`;
  assert.equal(copiedPart(html), LIST);
  assert.equal(copiedPart(LIST), LIST);
});

test("items that were copied out of a list keep its tag", () => {
  const html = "<ul></ul><ol type=A><!--StartFragment--><li>Liver</li><li>Spleen</li><!--EndFragment--></ol>";
  assert.equal(copiedPart(html), "<ol type=A><li>Liver</li><li>Spleen</li>");
});

test("formatting without lists, tables and lines is of no use, and too much is left", () => {
  assert.equal(copiedPart("<b>Liver</b>"), "");
  assert.equal(copiedPart(""), "");
  assert.equal(copiedPart(`<li>${"x".repeat(400_000)}`), "");
});

test("line ends are those that the box will have", () => {
  const kinds = /** @type {Record<string, string>} */ ({ "text/plain": "Why?\r\nLiver", "text/html": LIST });
  const data = /** @type {DataTransfer} */ ({ getData: (kind) => kinds[kind] ?? "" });
  assert.deepEqual(pasted(data), { text: "Why?\nLiver", html: LIST });
  assert.deepEqual(pasted(null), { text: "", html: "" });
});
