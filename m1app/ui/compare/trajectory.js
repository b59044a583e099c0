// The trajectory of one pass, drawn by Plotly. Points can be read with the mouse and the arrow keys.
import { button, node } from "../shell/elements.js";
import { inColours, loadPlotly, saveFigure } from "../shell/plotly.js";
import { nextPoint } from "../shell/reading_keys.js";

/** @typedef {import("../shell/plotly.js").PlotElement} PlotElement */
/** @typedef {import("../shell/plotly.js").Figure} Figure */

/**
 * @typedef {object} TrajectoryValue
 * @property {string} no_chart Why there is no chart; empty if there is one.
 * @property {string} hint Text below the chart until a point is read.
 * @property {string[]} said Text for each point.
 * @property {(Figure & { axes: { log: object, linear: object } }) | null} figure
 */

const TITLE = "Probability of each option";
const LABEL = `${TITLE} against thinking tokens. Left and right arrow keys read the values.`;
const SHOWN = { responsive: true, displayModeBar: false, doubleClick: false };
const FILE_SIZE = { width: 640, height: 310 };

export class Trajectory {
  #ink;
  #name;
  /** @type {TrajectoryValue | null} */
  #value = null;
  #isLogarithmic = true;
  #at = -1;
  /** Whether it is in the window or close to it: drawing takes long, and a sweep may have many. */
  #isNear = false;
  #hasListeners = false;
  #plot = /** @type {PlotElement} */ (/** @type {HTMLElement} */ (node("div", "m1-trajectory")));
  #readout = node("p", "m1-readout m1-number");
  #why = node("p", "m1-quiet");
  #frame = node("div", "m1-drawing");
  #buttons = node("span");
  #axis = button("Linear axis", () => this.#switchAxis());

  /**
   * @param {string} name Name for saved files.
   * @param {import("../shell/plotly.js").Ink} ink
   */
  constructor(name, ink) {
    this.#name = name;
    this.#ink = ink;
    this.root = node("figure", "m1-figure");
    const head = node("figcaption", "m1-pane-head");
    head.append(node("h3", "", TITLE), this.#buttons);
    for (const format of /** @type {const} */ (["svg", "png"])) {
      this.#buttons.append(button(format.toUpperCase(), () => this.#save(format)));
    }
    this.#buttons.prepend(this.#axis);
    this.#plot.tabIndex = 0;
    this.#plot.setAttribute("role", "img");
    this.#plot.setAttribute("aria-label", LABEL);
    this.#plot.addEventListener("keydown", (event) => this.#onKey(event));
    this.#readout.setAttribute("aria-live", "polite");
    this.#frame.append(this.#plot);
    this.root.append(head, this.#why, this.#frame, this.#readout);
    const near = new IntersectionObserver((seen) => this.#see(seen.some((each) => each.isIntersecting)), {
      rootMargin: "50%",
    });
    near.observe(this.root);
  }

  /** @param {TrajectoryValue} value */
  show(value) {
    this.#value = value;
    const hasFigure = Boolean(value.figure);
    this.#why.textContent = value.no_chart;
    this.#why.hidden = hasFigure;
    this.#buttons.hidden = !hasFigure;
    this.#frame.hidden = !hasFigure;
    this.#readout.hidden = !hasFigure;
    if (this.#at < 0) this.#readout.textContent = value.hint;
    this.draw();
  }

  /** @param {boolean} isNear */
  #see(isNear) {
    const isNew = isNear && !this.#isNear;
    this.#isNear = isNear;
    if (isNew) this.draw();
  }

  /** Redraws for new data or a changed colour scheme. */
  async draw() {
    const { figure } = this.#value ?? {};
    if (!figure || !this.#isNear) return;
    try {
      const library = await loadPlotly();
      const { data, layout } = this.#coloured(figure);
      await library.react(this.#plot, data, layout, SHOWN);
    } catch (error) {
      this.#readout.textContent = error instanceof Error ? error.message : String(error);
      return;
    }
    if (this.#hasListeners) return;
    this.#hasListeners = true;
    this.#plot.on("plotly_hover", ({ points }) => this.#say(points[0].pointNumber));
  }

  /** @param {NonNullable<TrajectoryValue["figure"]>} figure */
  #coloured({ data, layout, axes }) {
    const xaxis = this.#isLogarithmic ? axes.log : axes.linear;
    const painted = inColours(
      { data, layout: { ...layout, xaxis } },
      this.#ink,
      this.#plot.clientWidth || FILE_SIZE.width,
    );
    painted.layout.xaxis.spikecolor = this.#ink("--m1-ink");
    return painted;
  }

  #switchAxis() {
    this.#isLogarithmic = !this.#isLogarithmic;
    this.#axis.textContent = this.#isLogarithmic ? "Linear axis" : "Logarithmic axis";
    this.draw();
  }

  /** @param {number} place */
  #say(place) {
    this.#at = place;
    this.#readout.textContent = this.#value?.said[place] ?? "";
  }

  /** @param {KeyboardEvent} event */
  async #onKey(event) {
    const { figure, said } = this.#value ?? {};
    const place = figure && said ? nextPoint(this.#at, event.key, said.length) : null;
    if (!figure || place === null) return;
    event.preventDefault();
    this.#say(place);
    const lines = figure.data.flatMap(({ mode }, i) => (mode === "lines+markers" ? [i] : []));
    const library = await loadPlotly();
    library.Fx.hover(
      this.#plot,
      lines.map((curveNumber) => ({ curveNumber, pointNumber: place })),
    );
  }

  /** @param {"svg" | "png"} format */
  #save(format) {
    const { figure } = this.#value ?? {};
    if (figure) saveFigure(this.#coloured(figure), this.#name, format, FILE_SIZE, this.#ink("--m1-paper"));
  }
}
