// The picture of sub-questions that depend on each other: boxes from left to right, and the same as a list.
import { node } from "../shell/elements.js";
import { svg } from "../shell/svg.js";
import { number, plural } from "../shell/words.js";
import { listOf, numberOf, recordOf, recordsOf, textOf } from "./shown_values.js";

/** @typedef {import("./bars.js").Drawing} Drawing */

/**
 * @typedef {object} GraphNode
 * @property {string} id
 * @property {string} text
 * @property {string[]} depends
 * @property {string} state
 * @property {string} answer
 */

/**
 * The column of each node: one more than the last that it depends on. A node in a circle is placed as if what closes the
 * circle were not there.
 * @param {{ id: string, depends: string[] }[]} nodes
 * @returns {Map<string, number>}
 */
export function columnsOf(nodes) {
  const byId = new Map(nodes.map((each) => [each.id, each]));
  /** @type {Map<string, number>} */
  const columns = new Map();
  /**
   * @param {string} id
   * @param {Set<string>} above
   * @returns {number}
   */
  const place = (id, above) => {
    const known = columns.get(id);
    if (known !== undefined) return known;
    const depends = (byId.get(id)?.depends ?? []).filter(
      (other) => byId.has(other) && !above.has(other) && other !== id,
    );
    const column = Math.max(-1, ...depends.map((other) => place(other, new Set([...above, id])))) + 1;
    columns.set(id, column);
    return column;
  };
  for (const each of nodes) place(each.id, new Set());
  return columns;
}

const MOST_NODES = 40;
const BOX = { width: 74, height: 26, across: 108, down: 38 };

/** @param {unknown} value `{"nodes": [{"id", "text", "depends", "state", "answer"}], "steps": [{"name", "depth", "letter", "tokens", "is_done"}]}` */
export function graphOf(value) {
  const given = recordOf(value);
  /** @type {GraphNode[]} */
  const nodes = recordsOf(given.nodes)
    .slice(0, MOST_NODES)
    .map((each, i) => {
      return {
        id: textOf(each.id, 40) || String(i),
        text: textOf(each.text),
        depends: listOf(each.depends).map((other) => textOf(other, 40)),
        state: textOf(each.state, 40),
        answer: textOf(each.answer),
      };
    });
  const steps = recordsOf(given.steps).map((each) => {
    const parts = [
      textOf(each.letter, 20),
      plural(numberOf(each.tokens), "token"),
      each.is_done === false ? "running" : "",
    ];
    const depth = numberOf(each.depth);
    return `${textOf(each.name, 40)}${depth ? ` at depth ${number(depth)}` : ""}: ${parts.filter(Boolean).join(", ")}`;
  });
  const said = `${plural(nodes.length, "sub-question")}, ${plural(steps.length, "step")}.`;
  return { nodes, steps, said };
}

/**
 * @param {unknown} value
 * @returns {Drawing}
 */
export function drawGraph(value) {
  const { nodes, steps, said } = graphOf(value);
  const content = [];
  if (nodes.length) content.push(drawBoxes(nodes), nodeList(nodes));
  const list = node("ol", "m1-steps");
  list.append(...steps.map((each) => node("li", "m1-number", each)));
  content.push(list, node("p", "m1-quiet m1-number", said));
  return { said, content };
}

/** @param {GraphNode[]} nodes */
function drawBoxes(nodes) {
  const columns = columnsOf(nodes);
  /** @type {Map<number, number>} */
  const filled = new Map();
  const places = new Map(
    nodes.map(({ id }) => {
      const column = columns.get(id) ?? 0;
      const row = filled.get(column) ?? 0;
      filled.set(column, row + 1);
      return [id, { x: 2 + column * BOX.across, y: 2 + row * BOX.down }];
    }),
  );
  const width = Math.max(...[...columns.values()].map((column) => column * BOX.across + BOX.width + 4));
  const height = Math.max(...[...filled.values()].map((rows) => (rows - 1) * BOX.down + BOX.height + 4));
  // The list below says the same.
  const drawing = svg("svg", {
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    class: "m1-graph",
    "aria-hidden": "true",
  });
  for (const each of nodes) {
    for (const other of each.depends) {
      const [from, to] = [places.get(other), places.get(each.id)];
      if (!from || !to) continue;
      const [x1, y1, x2, y2] = [from.x + BOX.width, from.y + BOX.height / 2, to.x, to.y + BOX.height / 2];
      const bend = (x2 - x1) / 2;
      drawing.append(
        svg("path", { d: `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`, class: "m1-edge" }),
      );
    }
  }
  nodes.forEach((each, i) => {
    const place = places.get(each.id);
    if (!place) return;
    const box = svg("g", { transform: `translate(${place.x} ${place.y})`, class: "m1-node", "data-state": each.state });
    box.append(svg("rect", { width: BOX.width, height: BOX.height, rx: 4 }));
    const label = `${i + 1} ${each.state}`.trim();
    box.append(svg("text", { x: BOX.width / 2, y: BOX.height / 2 + 4, "text-anchor": "middle" }, label.slice(0, 12)));
    drawing.append(box);
  });
  const frame = node("div", "m1-drawing");
  frame.append(drawing);
  return frame;
}

/** @param {GraphNode[]} nodes */
function nodeList(nodes) {
  const numbers = new Map(nodes.map((each, i) => [each.id, i + 1]));
  const list = node("ol", "m1-nodes");
  for (const each of nodes) {
    const row = node("li");
    const on = each.depends.map((other) => numbers.get(other)).filter(Boolean);
    const text = node("span", "", each.text);
    text.dir = "auto";
    row.append(text, node("span", "m1-quiet", on.length ? ` (needs ${on.join(", ")})` : ""));
    if (each.answer) {
      const answer = node("p", "m1-quiet", `Answer: ${each.answer}`);
      answer.dir = "auto";
      row.append(answer);
    }
    list.append(row);
  }
  return list;
}
