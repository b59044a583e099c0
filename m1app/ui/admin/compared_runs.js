// Fine-tuning runs side by side: a chart for each metric, and a table of where their recipes differ.
import { isNewFor, link, node, partsOf, say, setText } from "../shell/elements.js";
import { inkOf, loadPlotly, onGroundChange } from "../shell/plotly.js";
import { accuracyLine, line } from "./fine_tune_progress.js";

/** @typedef {[step: number, value: number, low: number | null, high: number | null, n: number | null]} MetricPoint */
/** @typedef {{ metric: string, title: string, lines: MetricPoint[][], said: string }} MetricChart */

/**
 * @typedef {object} ComparedRuns
 * @property {{ id: string, name: string }[]} runs
 * @property {MetricChart[]} charts
 * @property {[field: string, values: string[]][]} differences
 * @property {string} csv
 */

const COLOURS = 8;
const DASHES = ["solid", "dash", "dot", "dashdot"];

/**
 * @param {MetricChart} chart
 * @param {{ name: string }[]} runs
 * @param {import("../shell/plotly.js").Ink} ink
 * @returns {import("../shell/plotly.js").Figure}
 */
export function metricFigure(chart, runs, ink) {
  const isAccuracy = chart.metric === "accuracy";
  const data = chart.lines.map((points, place) => {
    const colour = ink(`--m1-line-${place % COLOURS}`);
    const name = runs[place].name;
    if (isAccuracy) return accuracyLine(/** @type {any} */ (points), name, colour, {});
    const pairs = points.map(([step, value]) => /** @type {[number, number]} */ ([step, value]));
    const mode = points.length < 30 ? "lines+markers" : "lines";
    return line(pairs, name, { mode, line: { color: colour, dash: DASHES[place % DASHES.length], width: 1.8 } });
  });
  const axis = { gridcolor: ink("--m1-line"), zeroline: false, fixedrange: true };
  const layout = {
    template: "none",
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    showlegend: false,
    font: { color: ink("--m1-quiet"), size: 12 },
    margin: { l: 56, r: 8, t: 8, b: 36 },
    hoverlabel: { bgcolor: ink("--m1-paper"), bordercolor: ink("--m1-line"), font: { color: ink("--m1-ink") } },
    xaxis: { ...axis, title: { text: "step", standoff: 6 }, rangemode: "tozero" },
    yaxis: isAccuracy ? { ...axis, range: [0, 1], tickformat: ".0%" } : { ...axis, exponentformat: "e" },
  };
  return { data, layout };
}

export class ComparedRunsPanel {
  #part;
  #ink;
  /** @type {ComparedRuns | null} */
  #shown = null;

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element, signal }) {
    this.#part = partsOf(element);
    this.#ink = inkOf(element);
    onGroundChange(() => {
      delete this.#part("compared-charts").dataset.shown;
      if (this.#shown) this.#showCharts(this.#shown);
    }, signal);
  }

  /** @param {ComparedRuns | null} value */
  show(value) {
    this.#shown = value;
    this.#part("compared").hidden = !value;
    if (!value) return;
    this.#part("compared-csv", HTMLAnchorElement).href = value.csv;
    this.#showRuns(value);
    this.#showDifferences(value);
    this.#showCharts(value);
    say(this.#part("compared-none"), value.charts.length ? "" : "None of these runs has taken a step yet.");
  }

  /** @param {ComparedRuns} value */
  #showRuns({ runs }) {
    const key = this.#part("compared-key");
    if (!isNewFor(key, runs)) return;
    const items = runs.map(({ id, name }, place) => {
      const item = node("li");
      item.dataset.dash = DASHES[place % DASHES.length];
      item.style.setProperty("--m1-run", `var(--m1-line-${place % COLOURS})`);
      item.append(link(name, `/admin/?job=${id}`));
      return item;
    });
    key.replaceChildren(...items);
  }

  /** @param {ComparedRuns} value */
  #showDifferences({ runs, differences }) {
    const table = this.#part("compared-differences");
    if (!isNewFor(table, [runs, differences])) return;
    const head = node("tr");
    head.append(node("th", "", "Recipe field"), ...runs.map(({ name }) => node("th", "", name)));
    const rows = differences.map(([field, values]) => {
      const row = node("tr");
      const name = node("th", "", field);
      name.scope = "row";
      row.append(name, ...values.map((value) => node("td", "", value)));
      return row;
    });
    const [top, body] = [node("thead"), node("tbody")];
    top.append(head);
    body.append(...rows);
    table.replaceChildren(top, body);
    table.hidden = !differences.length;
    this.#part("compared-same").hidden = differences.length > 0;
  }

  /** @param {ComparedRuns} value */
  async #showCharts(value) {
    const place = this.#part("compared-charts");
    if (!isNewFor(place, [value.runs, value.charts])) return;
    const wanted = place.dataset.shown;
    try {
      const library = await loadPlotly();
      if (place.dataset.shown !== wanted) return;
      const boxes = value.charts.map((chart, number) => this.#box(place, number, chart));
      while (place.children.length > boxes.length) place.lastElementChild?.remove();
      for (const [number, chart] of value.charts.entries()) {
        const { data, layout } = metricFigure(chart, value.runs, this.#ink);
        await library.react(boxes[number], data, layout, { responsive: true, displayModeBar: false });
      }
    } catch (error) {
      say(this.#part("notice"), error instanceof Error ? error.message : String(error));
    }
  }

  /**
   * The place of a chart, with its title; one that is there is used again.
   * @param {HTMLElement} place
   * @param {number} number
   * @param {MetricChart} chart
   * @returns {HTMLElement}
   */
  #box(place, number, chart) {
    if (!place.children[number]) {
      const added = node("section");
      const drawing = node("div", "m1-metric-chart");
      drawing.setAttribute("role", "img");
      added.append(node("h3"), drawing);
      place.append(added);
    }
    const [title, drawing] = place.children[number].children;
    setText(title, chart.title);
    drawing.setAttribute("aria-label", `Chart: ${chart.title}. ${chart.said}`);
    return /** @type {HTMLElement} */ (drawing);
  }
}
