import assert from "node:assert/strict";
import { test } from "node:test";
import { blocksOf, cellsOf, runsOf } from "../../../../m1app/ui/shell/card.js";

const CARD = `# exam, version 1

**Note:** few samples.
Read it.

- one
- two \\*

| step | kept |
|---|---|
| a \\| b | 3 |

\`\`\`\`text
# no heading
\`\`\`

- no list
\`\`\`\``;

test("a card is taken apart into headings, paragraphs, lists, tables and code", () => {
  const blocks = blocksOf(CARD);
  assert.deepEqual(
    blocks.map(({ kind }) => kind),
    ["heading", "p", "list", "table", "code"],
  );
  assert.deepEqual(blocks[0].lines, ["exam, version 1"]);
  assert.deepEqual(blocks[2].lines, ["one", "two \\*"]);
  // A fence is closed only by one as long; nothing within it is a heading or a list.
  assert.deepEqual(blocks[4].lines, ["# no heading", "```", "", "- no list"]);
});

test("bold text and code are found, and escapes are taken back", () => {
  assert.deepEqual(runsOf("**Note:** `a*b` \\<script\\>"), [
    { kind: "b", text: "Note:" },
    { kind: "", text: " " },
    { kind: "code", text: "a*b" },
    { kind: "", text: " <script>" },
  ]);
  assert.deepEqual(cellsOf("| a \\| b | 3 |"), ["a \\| b", "3"]);
});
