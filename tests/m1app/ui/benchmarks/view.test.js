import assert from "node:assert/strict";
import { test } from "node:test";
import { fileName } from "../../../../m1app/ui/benchmarks/charts.js";
import { turned } from "../../../../m1app/ui/benchmarks/pager.js";
import { questionChoice } from "../../../../m1app/ui/benchmarks/questions.js";
import { transitionChoice } from "../../../../m1app/ui/benchmarks/transitions.js";
import { cellsOf, cellText, panelSets, queryOf, range, viewOf } from "../../../../m1app/ui/benchmarks/view.js";

/** @returns {any} */
const run = (/** @type {object} */ more) => ({
  id: "r1",
  sets: ["medqa"],
  models: ["m"],
  budgets: [512, 64],
  rounds: [1, 0],
  ...more,
});
const view = (/** @type {string} */ query) => viewOf(new URLSearchParams(query));

test("the address keeps what is not the default, and gets the same view back", () => {
  const query = "run=a,b&tab=questions&rule=m1&text=chest%20pain%20%26%20fever";
  assert.equal(queryOf(view(query)), query);
  assert.equal(queryOf(view("")), "");
});

test("a tab or chart that does not exist is the default one", () => {
  const { tab, chart } = view("tab=nothing&chart=pie");
  assert.deepEqual({ tab, chart }, { tab: "curves", chart: "budget" });
});

test("cells go by rounds and budgets, in words too", () => {
  assert.deepEqual(cellsOf(run({})), ["64-0", "512-0", "64-1", "512-1"]);
  assert.equal(cellText("4096-1"), "4,096 tokens, 1 round");
  assert.equal(cellText("0-0"), "budget not stated, 0 rounds");
});

test("panels are those of the chosen set, the average where there is one, or each set", () => {
  const two = run({ id: "r2", sets: ["medqa", "pubmedqa"] });
  assert.deepEqual(panelSets(view(""), [run({})]), ["medqa"]);
  assert.deepEqual(panelSets(view(""), [run({}), two]), [""]);
  assert.deepEqual(panelSets(view("set=*"), [two]), ["", "medqa", "pubmedqa"]);
  assert.deepEqual(panelSets(view("set=pubmedqa"), [two]), ["pubmedqa"]);
  assert.deepEqual(panelSets(view("set=gone"), [two]), [""]);
});

test("transitions lead from the first to the last budget as long as nothing else is chosen", () => {
  const ordered = run({ budgets: [64, 512], rounds: [0, 1], models: ["m", "base"] });
  const { before, after, model, other } = transitionChoice(view("other=base&model=gone"), [ordered]);
  assert.deepEqual({ before, after, model, other }, { before: "64-0", after: "512-0", model: "m", other: "base" });
  assert.equal(transitionChoice(view("model=base&other=base"), [ordered]).other, "");
});

test("a change of verdict can be asked for only between two cells", () => {
  const chosen = [run({})];
  assert.equal(questionChoice(view("verdict=right-wrong"), chosen).verdict, "");
  assert.equal(questionChoice(view("verdict=right-wrong&from=64-0"), chosen).verdict, "right-wrong");
});

test("pages are turned, and the first is the default", () => {
  assert.deepEqual([turned("", 1), turned("3", -1), turned("2", -1), turned("", -1)], ["2", "2", "", ""]);
});

test("names of files have no other signs than letters, digits and dashes", () => {
  assert.equal(fileName("budget Macro average (7)"), "m1-budget-macro-average-7");
});

test("many numbers are said as a range", () => {
  assert.equal(range([64, 128, 4096]), "64 – 4,096");
  assert.equal(range([0, 1]), "0, 1");
});
