import assert from "node:assert/strict";
import { test } from "node:test";
import { inColours, roomy, seeThrough } from "../../../../m1app/ui/shell/plotly.js";

const ink = (/** @type {string} */ name) => (name === "--m1-line-1" ? "#102030" : name);

test("labels get room from the last one on", () => {
  const labels = ["1", "2", "3", "4", "5"];
  assert.deepEqual(roomy(labels, 1000), labels);
  assert.deepEqual(roomy(labels, 200), ["1", "", "3", "", "5"]);
});

test("a band is the colour of its line, mostly transparent", () => {
  assert.equal(seeThrough("#102030", 0.13), "rgba(16,32,48,0.13)");
});

test("the page's colours go into a copy of the figure", () => {
  const figure = {
    data: [
      { meta: { colour: 1 }, line: {}, marker: {} },
      { meta: { colour: 9, is_band: true }, line: {} },
      { meta: { ink: "--m1-wait" }, line: {}, textfont: {} },
    ],
    layout: { font: {}, xaxis: { ticktext: ["1"] } },
  };
  const before = structuredClone(figure);
  const { data, layout } = inColours(figure, ink, 600);
  assert.deepEqual(figure, before);
  assert.deepEqual([data[0].line.color, data[0].marker.color], ["#102030", "#102030"]);
  assert.deepEqual([data[1].fillcolor, data[1].line.color], ["rgba(16,32,48,0.13)", undefined]);
  assert.deepEqual([data[2].line.color, data[2].textfont.color], ["--m1-wait", "--m1-wait"]);
  assert.equal(layout.font.color, "--m1-quiet");
});
