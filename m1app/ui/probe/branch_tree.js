// The tree of branches that a trace is in: nested links, and beside them a drawing of the same, a row each.
import { isNewFor, link, node, partsOf } from "../shell/elements.js";
import { svg } from "../shell/svg.js";

/**
 * @typedef {object} TreeNode
 * @property {string} id
 * @property {string} parent Empty for the one that the tree grows from.
 * @property {number} depth
 * @property {string} link
 * @property {string} name
 * @property {string} written What stands in place of what was edited.
 * @property {string} letter Empty while it runs.
 * @property {string} verdict
 * @property {string} said
 * @property {boolean} is_shown Whether the page shows it.
 */

/** @typedef {{ nodes?: TreeNode[], compare?: string }} TreeValue */

const ROW = 44;
const STEP = 18;
const RADIUS = 6;

/**
 * The path from each branch's parent down to it, in the units of the drawing.
 * @param {TreeNode[]} nodes
 */
export function edgesOf(nodes) {
  const rows = new Map(nodes.map((each, i) => [each.id, i]));
  return nodes.flatMap((each, i) => {
    const from = rows.get(each.parent);
    if (from === undefined) return [];
    const [x, y] = placeOf(nodes[from], from);
    const [toX, toY] = placeOf(each, i);
    return [`M${x} ${y + RADIUS}V${toY}H${toX - RADIUS}`];
  });
}

/**
 * @param {TreeNode} each
 * @param {number} row
 * @returns {[x: number, y: number]}
 */
const placeOf = (each, row) => [RADIUS + 2 + each.depth * STEP, row * ROW + ROW / 2];

/** @param {TreeNode[]} nodes */
function drawing(nodes) {
  const width = Math.max(...nodes.map((each) => each.depth)) * STEP + 2 * RADIUS + 4;
  const height = nodes.length * ROW;
  const made = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
  made.append(...edgesOf(nodes).map((d) => svg("path", { d })));
  for (const [i, each] of nodes.entries()) {
    const [x, y] = placeOf(each, i);
    // Round is right and square is anything else, as the answers of fact tests are.
    const shape =
      each.verdict === "right"
        ? svg("circle", { cx: x, cy: y, r: RADIUS })
        : svg("rect", { x: x - RADIUS, y: y - RADIUS, width: 2 * RADIUS, height: 2 * RADIUS, rx: 1 });
    shape.dataset.verdict = each.verdict;
    if (each.is_shown) shape.classList.add("is-shown");
    made.append(shape);
  }
  return made;
}

/** @param {TreeNode} each */
function row(each) {
  const made = node("li");
  made.dataset.node = each.id;
  const line = node("div", "m1-branch-line");
  const to = link(each.name, each.link);
  to.dir = "auto";
  if (each.is_shown) to.setAttribute("aria-current", "page");
  const said = node("span", "m1-branch-said", each.said);
  said.dataset.verdict = each.verdict;
  line.append(to, said);
  if (each.written) {
    const written = node("ins", "", each.written);
    written.dir = "auto";
    written.title = each.written;
    line.append(written);
  }
  made.append(line);
  return made;
}

/**
 * Nested lists: a screen reader says how deep a branch is.
 * @param {HTMLElement} list
 * @param {TreeNode[]} nodes Each after its parent.
 */
function fill(list, nodes) {
  /** @type {Map<string, HTMLElement>} */
  const rows = new Map();
  list.replaceChildren();
  for (const each of nodes) {
    const made = row(each);
    rows.set(each.id, made);
    const parent = rows.get(each.parent);
    if (!parent) {
      list.append(made);
      continue;
    }
    const inner = parent.querySelector(":scope > ul") ?? parent.appendChild(node("ul"));
    inner.append(made);
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element }) {
  const part = partsOf(element);
  return (/** @type {TreeValue} */ { nodes = [], compare = "" }) => {
    part("tree").hidden = nodes.length === 0;
    if (!nodes.length || !isNewFor(part("tree"), nodes)) return;
    part("compare", HTMLAnchorElement).href = compare;
    part("drawing").replaceChildren(drawing(nodes));
    fill(part("nodes"), nodes);
  };
}
