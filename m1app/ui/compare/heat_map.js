// A heat map of a grid of budgets and force rounds, drawn as SVG, with keyboard-focusable cells.
import { svg } from "../shell/svg.js";
import { number, plural } from "../shell/words.js";

/**
 * @typedef {object} MapCell
 * @property {string} key "budget-rounds".
 * @property {number} budget
 * @property {number} rounds
 * @property {string} mark
 * @property {string} label
 * @property {string} [verdict]
 * @property {number | null} [share] From 0 to 1, for the colour; null without an answer.
 */

/** @typedef {{ budgets: number[], rounds: number[] }} Grid */

const CELL = { width: 58, height: 30, left: 74, bottom: 58 };
const LEGEND = "✓ right, ✗ wrong, – no option, · not scored, ! failed, … answering, empty: waiting, × not reached";
/** @type {Record<string, [across: number, up: number]>} */
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/**
 * The cell that an arrow key leads to; null at the edge and for other keys.
 * @param {Grid} grid
 * @param {MapCell} cell
 * @param {string} key
 */
export function nextKey({ budgets, rounds }, cell, key) {
  const step = STEPS[key];
  if (!step) return null;
  const budget = budgets[budgets.indexOf(cell.budget) + step[0]];
  const round = rounds[rounds.indexOf(cell.rounds) + step[1]];
  return budget === undefined || round === undefined ? null : `${budget}-${round}`;
}

/**
 * @param {Grid} grid
 * @param {MapCell[]} cells
 * @param {((key: string) => void) | null} act Called on a click or Enter on a cell, if not null.
 */
export function heatMap(grid, cells, act) {
  const { budgets, rounds } = grid;
  const width = Math.max(CELL.left + budgets.length * CELL.width + 4, act ? 560 : 0);
  const height = rounds.length * CELL.height + CELL.bottom;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "m1-heat", role: "group" });
  const across = (/** @type {number} */ budget) => CELL.left + budgets.indexOf(budget) * CELL.width;
  const down = (/** @type {number} */ round) => (rounds.length - 1 - rounds.indexOf(round)) * CELL.height;
  for (const round of rounds) {
    const place = { x: CELL.left - 8, y: down(round) + 19, "text-anchor": "end" };
    drawing.append(svg("text", place, plural(round, "round")));
  }
  const under = rounds.length * CELL.height;
  for (const budget of budgets) {
    const place = { x: across(budget) + CELL.width / 2, y: under + 16, "text-anchor": "middle" };
    drawing.append(svg("text", place, number(budget)));
  }
  drawing.append(svg("text", { x: CELL.left, y: under + 33 }, "thinking budget in tokens"));
  if (act) drawing.append(svg("text", { x: 0, y: under + 51, class: "m1-legend" }, LEGEND));
  cells.forEach((cell, i) => {
    const drawn = drawCell(cell, across(cell.budget), down(cell.rounds));
    if (act) makeButton(drawn, cell, grid, act, i === 0);
    drawing.append(drawn);
  });
  return drawing;
}

/**
 * @param {MapCell} cell
 * @param {number} x
 * @param {number} y
 */
function drawCell(cell, x, y) {
  const place = svg("g", { transform: `translate(${x} ${y})`, class: "m1-cell", "data-key": cell.key });
  if (cell.verdict) place.setAttribute("data-verdict", cell.verdict);
  const box = svg("rect", { x: 1, y: 1, width: CELL.width - 3, height: CELL.height - 3, rx: 2 });
  if (cell.share !== undefined) box.style.fillOpacity = String(cell.share === null ? 0 : 0.08 + 0.42 * cell.share);
  place.append(svg("title", {}, cell.label), box);
  place.append(svg("text", { x: CELL.width / 2 - 1, y: 19, "text-anchor": "middle" }, cell.mark));
  return place;
}

/**
 * @param {SVGElement} drawn
 * @param {MapCell} cell
 * @param {Grid} grid
 * @param {(key: string) => void} act
 * @param {boolean} isFirst Whether the Tab key stops here; only one cell has this.
 */
function makeButton(drawn, cell, grid, act, isFirst) {
  drawn.setAttribute("role", "button");
  drawn.setAttribute("aria-label", cell.label);
  drawn.setAttribute("tabindex", isFirst ? "0" : "-1");
  drawn.addEventListener("click", () => act(cell.key));
  drawn.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (!event.ctrlKey) act(cell.key);
      return;
    }
    const key = nextKey(grid, cell, event.key);
    const next = key && drawn.parentNode?.querySelector(`[data-key="${key}"]`);
    if (!(next instanceof SVGElement)) return;
    event.preventDefault();
    drawn.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
}
