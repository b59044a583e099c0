import assert from "node:assert/strict";
import { test } from "node:test";
import { chainOf, planOf, raceOf, stripOf, votesOf } from "../../../../m1app/ui/strategies/bars.js";
import { spentOf } from "../../../../m1app/ui/strategies/card.js";
import { columnsOf, graphOf } from "../../../../m1app/ui/strategies/graph.js";
import { cellsOf, sumsOf } from "../../../../m1app/ui/strategies/ledger.js";
import { confidenceOf, exitOf } from "../../../../m1app/ui/strategies/lines.js";
import { passagesOf } from "../../../../m1app/ui/strategies/passages.js";
import { asText } from "../../../../m1app/ui/strategies/pictures.js";
import { policyOf } from "../../../../m1app/ui/strategies/policy.js";
import { heatOf, matrixOf, transcriptOf } from "../../../../m1app/ui/strategies/tables.js";

const MODELS = {
  chainOf,
  planOf,
  raceOf,
  stripOf,
  votesOf,
  graphOf,
  confidenceOf,
  exitOf,
  heatOf,
  matrixOf,
  passagesOf,
  policyOf,
  transcriptOf,
};
const ODD = [
  null,
  undefined,
  7,
  "text",
  [],
  {},
  { votes: [1], bars: {}, parts: [null, 3], segments: [{}], nodes: [{}, null], turns: "x", rows: [{ scores: 4 }] },
  {
    trajectory: [{ probabilities: { A: Number.NaN } }],
    passes: [{ points: [[1], null, "x"] }],
    counts: [4],
    temperatures: ["a"],
  },
];

test("a picture without its parts, or with odd ones, is drawn as far as it goes", () => {
  for (const [name, model] of Object.entries(MODELS)) {
    for (const value of ODD) {
      const { said } = model(value);
      assert.ok(said, `${name} says nothing`);
      assert.doesNotMatch(said, /NaN|undefined|null|Infinity|object Object/, `${name} of ${JSON.stringify(value)}`);
    }
  }
});

test("passages stand with their source, and only one with an id of ours is linked to", () => {
  const hostile = { id: "javascript:alert(1)", place: "<b>x</b>", corpus: "sheets", version: 0, text: "t", tokens: 2 };
  const own = { id: "0".repeat(32), place: "Scurvy (a.md)", corpus: "sheets", version: 2, text: "B.", tokens: 8 };
  const search = {
    kind: "search",
    title: "Search",
    query: "scurvy",
    state: "done",
    note: "Found by words alone",
    passages: [own, hostile],
    tokens: 10,
  };
  const { steps, said } = passagesOf({ steps: [{ kind: "think", title: "Thinking", text: "I need" }, search] });
  assert.equal(said, "1 search, 2 passages read, 10 tokens.");
  assert.deepEqual(
    steps[1]?.passages.map((each) => [each.href, each.corpus]),
    [
      [`/passages/${"0".repeat(32)}`, "sheets, version 2"],
      ["", "sheets"],
    ],
  );
  assert.equal(steps[1]?.text, "scurvy");
  assert.equal(steps[0]?.text, "I need");
  assert.equal(steps[1]?.note, "Found by words alone");
});

test("votes are bars of all passes, probabilities of the largest", () => {
  const { bars, said } = votesOf({ votes: { A: 2, B: 1 }, done: 3, passes: 4 });
  assert.deepEqual(bars, [
    { label: "A", share: 0.5, text: "2", state: "leads" },
    { label: "B", share: 0.25, text: "1", state: "" },
  ]);
  assert.equal(said, "3 of 4 passes done. A: 2, B: 1");
  const without = votesOf({ votes: { A: 2 }, done: 3, passes: 4 });
  assert.deepEqual(without.bars[1], { label: "No answer", share: 0.25, text: "1", state: "none" });
  assert.equal(without.said, "3 of 4 passes done. A: 2; without an answer: 1");
  const weighed = votesOf({ votes: { A: 1.5, B: 0.75 }, done: 3, passes: 3 });
  assert.deepEqual(
    weighed.bars.map(({ share, text }) => [share, text]),
    [
      [1, "1.50"],
      [0.5, "0.75"],
    ],
  );
});

test("a race says how far each pass came, and what became of it", () => {
  const { bars, said } = raceOf({ bars: [{ pass: 1, tokens: 1290, state: "won" }], budget: 2580 });
  assert.deepEqual(bars, [{ label: "Pass 2", share: 0.5, text: "1,290 won", state: "won" }]);
  assert.equal(said, "Thinking tokens, at most 2,580 each. Pass 2: 1,290 won");
});

test("one chain has its Waits where they were inserted", () => {
  const { share, waits, said, options } = chainOf({
    tokens: 100,
    budget: 400,
    waits: [40],
    answer_tokens: 1,
    finish: "natural",
    probabilities: { A: 0.7 },
  });
  assert.deepEqual([share, waits], [0.25, [0.1]]);
  assert.equal(
    said,
    "100 of 400 thinking tokens; “Wait” inserted after 40; the model ended its thinking; answer 1 token.",
  );
  assert.deepEqual(options, [{ label: "A", share: 0.7, text: "70.0%" }]);
});

test("an exit reads every look, the likeliest option first", () => {
  const value = {
    trajectory: [{ tokens: 64, probabilities: { A: 0.25, B: 0.75 } }],
    threshold: 0.95,
    exit: 64,
    tokens: 70,
  };
  const { lines, readings, said, most } = exitOf(value);
  assert.deepEqual(readings, ["64 tokens: B 75.0%, A 25.0%"]);
  assert.deepEqual(lines[0], { letter: "A", points: [[64, 0.25]] });
  assert.equal(most, 70);
  assert.equal(said, "Exit after 64 tokens, 1 look at the options in 70 thinking tokens.");
});

test("segments say what was judged of them, and why the thinking was closed", () => {
  const { segments, said } = stripOf({
    segments: [
      { from: 0, to: 60, repeats: 0.9, diverges: null, is_kept: true },
      { from: 60, to: 80, repeats: null, diverges: null, is_kept: false },
    ],
    closed: 60,
    reason: "repeated",
    tokens: 80,
  });
  assert.deepEqual(segments[0], {
    tokens: 60,
    isKept: true,
    mark: "=",
    said: "Segment 1, tokens 0 to 60: kept, repeats its predecessor 90.0%",
  });
  assert.equal(segments[1]?.said, "Segment 2, tokens 60 to 80: trimmed");
  assert.equal(said, "2 segments, 80 thinking tokens. Closed after 60 tokens: conclusions were repeated.");
});

test("a row of the heat map is shaded by the share of its own passes", () => {
  const { head, rows } = heatOf({
    temperatures: [0, 0.2],
    answers: ["A", "B"],
    counts: [
      [1, 0],
      [1, 3],
    ],
  });
  assert.deepEqual(head, ["Temperature", "A", "B"]);
  assert.deepEqual(rows[1], [{ text: "0.2" }, { text: "1", shade: 0.25 }, { text: "3", shade: 0.75 }]);
});

test("sparks share one scale with the bar", () => {
  const passes = [
    {
      pass: 0,
      points: [
        [10, 12],
        [60, 10],
      ],
      lowest: 10,
      state: "cut",
      warmup: true,
    },
  ];
  const { scale, readings, said } = confidenceOf({ bar: 9, passes, votes: { A: 10.5 } });
  assert.deepEqual(scale, { tokens: 60, low: 9, high: 12 });
  assert.deepEqual(readings, ["Pass 1: lowest 10, cut, warm-up"]);
  assert.equal(said, "Bar 9; 1 of 1 pass cut. Votes: A: 10.50.");
});

test("a matrix shows scores where there are any, and why where there are none", () => {
  const rows = [
    {
      pass: 2,
      answer: "B",
      scores: [0.5, null, null],
      states: ["read", "waiting", "unpaid"],
      value: 0.5,
      is_chosen: true,
    },
  ];
  const { head, rows: drawn } = matrixOf({ of: "paragraphs", judge: "j", columns: 3, rows });
  assert.deepEqual(head, ["Pass", "Answer", "1", "2", "3", "Score"]);
  assert.deepEqual(
    drawn[0]?.map((cell) => cell.text),
    ["Pass 3 ✓ chosen", "B", "0.50", "…", "–", "0.50"],
  );
});

test("a plan compares what was used with what each may use", () => {
  const parts = [{ text: "Which?", difficulty: 1.5, budget: 100, used: 40, answer: "", state: "running" }];
  const { largest, said } = planOf({ plan_tokens: 30, parts, answer_tokens: 1 });
  assert.equal(largest, 100);
  assert.equal(said, "Plan 30 tokens; final answer 1 token. 1. Which? 40 of 100, running");
});

test("a turn that is being written shows its thinking", () => {
  const { turns, said } = transcriptOf({
    turns: [
      { who: "Agent 1", round: 1, text: "A.", thinking: "Hm.", letter: "A", tokens: 5, is_done: true },
      { who: "Agent 2", round: 1, text: "", thinking: "Well", letter: null, tokens: 1200, is_done: false },
      { who: "Agent 3", round: 1, text: "", thinking: "", letter: null, tokens: 0, is_done: true, error: "Gone." },
    ],
  });
  assert.deepEqual(
    turns.map(({ said, isThinking, state }) => [said, isThinking, state]),
    [
      ["A.", false, ""],
      ["Well", true, "writes"],
      ["Gone.", false, "failed"],
    ],
  );
  assert.equal(said, "3 turns, 1,205 tokens.");
});

test("sub-questions stand right of all that they need, also in a circle", () => {
  const nodes = [
    { id: "c", depends: ["a", "b"] },
    { id: "a", depends: [] },
    { id: "b", depends: ["a", "nobody"] },
  ];
  assert.deepEqual(Object.fromEntries(columnsOf(nodes)), { a: 0, b: 1, c: 2 });
  const circle = columnsOf([
    { id: "a", depends: ["b"] },
    { id: "b", depends: ["a"] },
    { id: "c", depends: ["c"] },
  ]);
  assert.deepEqual([...circle.keys()].sort(), ["a", "b", "c"]);
  assert.equal(circle.get("c"), 0);
});

test("a picture that is not known is text of bounded length", () => {
  assert.equal(asText({ a: "<b>" }), '{\n "a": "<b>"\n}');
  assert.equal(asText("x".repeat(9000)).length, 4001);
  assert.equal(asText(undefined), "");
});

test("what was wasted is a part of what was spent, and a bar never ends beyond its budget", () => {
  assert.deepEqual(spentOf(1500, 500, 2000), {
    used: 0.5,
    wasted: 0.25,
    words: "1,500 of 2,000 tokens, 500 of them wasted",
  });
  assert.deepEqual(spentOf(0, 0, 2000), { used: 0, wasted: 0, words: "0 of 2,000 tokens" });
  assert.equal(spentOf(2200, 0, 2000).used, 1);
});

test("a row of the ledger has its counts with separators, and the foot their sums", () => {
  const row = {
    position: 0,
    key: "pass/0",
    attempt: 1,
    purpose: "think",
    model: "m",
    state: "done",
    generated: 1234,
    injected: 5,
    new: 20,
    cached: 0,
    wasted: 1000,
    seconds: 2,
    said: "A",
    trace: "",
    is_case: false,
    has_text: false,
  };
  assert.deepEqual(cellsOf(row), [
    "pass/0 (attempt 2)",
    "think",
    "m",
    "1,234",
    "5",
    "20",
    "0",
    "1,000",
    "2.0",
    "done",
    "A",
  ]);
  assert.deepEqual(sumsOf([row, row]), ["2,468", "10", "40", "0", "2,000"]);
});

test("what a policy chose is said as soon as the pilot has ended", () => {
  assert.equal(policyOf({ pilot_passes: 1 }).said, "1 pilot pass, not ended yet.");
  const { said } = policyOf({ pilot_passes: 2, entropy: 0.421, choice: "vote:k=4", thinking_tokens: 1024 });
  assert.equal(said, "Entropy: 0.42 bits, of 2 pilot passes. Chosen: vote:k=4. Thinking tokens: 1,024 a pass");
});
