// Heat maps, trajectories and flips of a sweep. A click or Enter on a cell or a flip asks the columns to open it.
import { button, isNewFor, link, node, partsOf } from "../shell/elements.js";
import { inkOf, onGroundChange } from "../shell/plotly.js";
import { savePng, saveSvg } from "./drawing_files.js";
import { heatMap } from "./heat_map.js";
import { Trajectory } from "./trajectory.js";

/** @typedef {import("./heat_map.js").MapCell} MapCell */
/** @typedef {import("./heat_map.js").Grid} Grid */
/** @typedef {import("./trajectory.js").TrajectoryValue} TrajectoryValue */

/**
 * @typedef {object} Flip
 * @property {string} kind
 * @property {string} verdict
 * @property {string} change
 * @property {string} between
 * @property {string} sentence
 * @property {string} why Why it is this sentence.
 * @property {number} start In UTF-16 code units of the thinking.
 * @property {number} end
 * @property {string} cell
 * @property {string} case
 * @property {[start: number, end: number]} code_points The same place in code points.
 */

/**
 * @typedef {object} BandCharts
 * @property {string} id
 * @property {string} title
 * @property {MapCell[]} cells
 * @property {TrajectoryValue} trajectory
 * @property {Flip[]} flips
 * @property {string} no_flips
 */

/**
 * @typedef {object} ChartsValue
 * @property {string} [id]
 * @property {number[]} [budgets]
 * @property {number[]} [rounds]
 * @property {BandCharts[]} [bands]
 * @property {{ title: string, cells: MapCell[] }[]} [shares]
 */

/** @typedef {{ band: string, cell: string, start?: number, end?: number }} OpenCell Detail of `m1-open-cell`. */

/** @param {OpenCell} detail */
const open = (detail) => document.dispatchEvent(new CustomEvent("m1-open-cell", { detail }));

/**
 * A drawing with a title and buttons that save it.
 * @param {string} title
 * @param {string} name
 * @param {SVGSVGElement} drawing
 */
function figure(title, name, drawing) {
  const made = node("figure", "m1-figure");
  const head = node("figcaption", "m1-pane-head");
  const exports = node("span");
  exports.append(button("SVG", () => saveSvg(drawing, name)));
  exports.append(button("PNG", () => savePng(drawing, name)));
  head.append(node("h3", "", title), exports);
  const frame = node("div", "m1-drawing");
  frame.append(drawing);
  made.append(head, frame);
  return made;
}

/** @param {BandCharts} band */
function flipList(band) {
  const made = node("div", "m1-flips");
  made.append(node("h3", "", "Flips"));
  if (!band.flips.length) {
    made.append(node("p", "m1-quiet", band.no_flips));
    return made;
  }
  const list = node("ol");
  for (const flip of band.flips) {
    const item = node("li");
    const opener = button("", () => open({ band: band.id, cell: flip.cell, start: flip.start, end: flip.end }));
    const kind = node("span", "m1-verdict", flip.kind);
    kind.dataset.verdict = flip.verdict;
    opener.append(kind, node("b", "", ` ${flip.change} `), node("span", "m1-quiet m1-number", flip.between));
    opener.append(node("q", "", flip.sentence), node("span", "m1-quiet", flip.why));
    const [start, end] = flip.code_points;
    const annotate = link("Annotate this sentence", `/annotate/?case=${flip.case}&start=${start}&end=${end}`);
    annotate.className = "m1-annotate-link";
    item.append(opener, annotate);
    list.append(item);
  }
  made.append(list);
  return made;
}

/** The charts of one pass. The trajectory element is reused while the sweep runs, so that it does not flicker. */
class Band {
  #id;
  #name;
  #left = node("div");

  /**
   * @param {BandCharts} band
   * @param {import("../shell/plotly.js").Ink} ink
   */
  constructor(band, ink) {
    this.#id = band.id;
    this.#name = `m1-sweep-${band.id.slice(0, 8)}`;
    this.trajectory = new Trajectory(`${this.#name}-trajectory`, ink);
    this.root = node("div", "m1-chart-band");
    this.root.dataset.chart = band.id;
    this.root.append(node("h2", "", band.title), this.#left, this.trajectory.root);
  }

  /**
   * @param {Grid} grid
   * @param {BandCharts} band
   */
  show(grid, band) {
    if (isNewFor(this.#left, [grid, band.cells, band.flips, band.no_flips])) {
      const map = heatMap(grid, band.cells, (cell) => open({ band: this.#id, cell }));
      this.#left.replaceChildren(figure("Answer of each cell", `${this.#name}-cells`, map), flipList(band));
    }
    if (isNewFor(this.trajectory.root, band.trajectory)) this.trajectory.show(band.trajectory);
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, signal }) {
  const root = partsOf(element)("charts");
  const ink = inkOf(element);
  /** @type {Map<string, Band>} */
  const bands = new Map();
  const shares = node("div");
  /** @type {string | undefined} */
  let shownId;

  /** @param {() => void} paint Draws anew what may have the keyboard's focus, which stays on its cell. */
  const keepFocus = (paint) => {
    const cell = document.activeElement?.closest(".m1-cell");
    const [key, band] = [cell?.getAttribute("data-key"), cell?.closest("[data-chart]")?.getAttribute("data-chart")];
    paint();
    if (!cell || cell.isConnected || !key || !band) return;
    const again = root.querySelector(`[data-chart="${CSS.escape(band)}"] [data-key="${CSS.escape(key)}"]`);
    if (again instanceof SVGElement) again.focus({ preventScroll: true });
  };

  /** @param {ChartsValue} value */
  const showShares = (value) => {
    if (!isNewFor(shares, [value.id, value.shares, value.budgets, value.rounds])) return;
    const grid = { budgets: value.budgets || [], rounds: value.rounds || [] };
    const made = (value.shares || []).map((share) => {
      const band = node("div", "m1-chart-band m1-share");
      const name = `m1-sweep-${(value.id || "").slice(0, 8)}-share`;
      band.append(figure(share.title, name, heatMap(grid, share.cells, null)));
      return band;
    });
    shares.replaceChildren(...made);
  };

  onGroundChange(() => {
    for (const band of bands.values()) band.trajectory.draw();
  }, signal);

  return (/** @type {ChartsValue} */ value) => {
    if (value.id !== shownId) {
      shownId = value.id;
      bands.clear();
      root.replaceChildren(shares);
    }
    keepFocus(() => {
      const grid = { budgets: value.budgets || [], rounds: value.rounds || [] };
      for (const each of value.bands || []) {
        const band = bands.get(each.id) ?? new Band(each, ink);
        if (!bands.has(each.id)) {
          bands.set(each.id, band);
          shares.before(band.root);
        }
        band.show(grid, each);
      }
      showShares(value);
    });
  };
}
