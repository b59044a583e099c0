// The curves: figures come from the server, colours from the page.
import { all, button, isNewFor, node, setText } from "../shell/elements.js";
import { inColours, loadPlotly, onGroundChange, saveFigure } from "../shell/plotly.js";
import { showTable } from "./tables.js";
import { budgetsOf, known, modelsOf, NOTES, panelSets, roundsOf } from "./view.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("../shell/plotly.js").Figure} Figure */
/** @typedef {{ name: string, colour: number | null, dash: string }} KeyEntry */

/**
 * @typedef {object} Panel
 * @property {string} question_set
 * @property {string} title
 * @property {string} note
 * @property {KeyEntry[]} key
 * @property {Figure} figure
 */

const SHOWN = { responsive: true, displayModeBar: false, doubleClick: "reset" };
/** @type {Record<string, string>} */
const DASHES = {
  solid: "",
  dash: "7 4",
  dot: "2 3",
  dashdot: "7 3 2 3",
  longdash: "11 4",
  longdashdot: "11 3 2 3",
};

/** @param {string} text */
export const fileName = (text) =>
  `m1-${text}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/-+$/, "");

/** Plots of the page, redrawn when dark mode changes. */
export class Plots {
  #ink;
  /** The figure in each place, before colouring. @type {Map<HTMLElement, Figure>} */
  #figures = new Map();

  /** @param {Context} context */
  constructor(context) {
    this.#ink = context.ink;
    onGroundChange(() => {
      for (const [place, figure] of this.#figures) {
        if (place.isConnected) this.draw(place, figure);
        else this.#figures.delete(place);
      }
    }, context.signal);
  }

  /**
   * @param {HTMLElement} place
   * @param {Figure} figure
   */
  async draw(place, figure) {
    const library = await loadPlotly();
    const { data, layout } = inColours(figure, this.#ink, place.clientWidth);
    this.#figures.set(place, figure);
    await library.react(place, data, { ...layout, showlegend: false }, SHOWN);
  }

  /** @param {HTMLElement} place */
  async clear(place) {
    if (!this.#figures.delete(place)) return;
    (await loadPlotly()).purge(place);
  }

  /**
   * Buttons that save the drawing.
   * @param {HTMLElement} place
   * @param {string} name
   */
  exports(place, name) {
    return /** @type {const} */ (["svg", "png"]).map((format) => {
      const text = format.toUpperCase();
      return button(text, () => this.#save(place, name, format), `Save the chart as ${text}`);
    });
  }

  /**
   * @param {HTMLElement} place
   * @param {string} name
   * @param {"svg" | "png"} format
   */
  #save(place, name, format) {
    const figure = this.#figures.get(place);
    if (!figure) return;
    const size = { width: Math.max(640, place.clientWidth), height: place.clientHeight + 60 };
    saveFigure(inColours(figure, this.#ink, size.width), name, format, size, this.#ink("--m1-paper"));
  }
}

/** @param {KeyEntry} entry */
export function keyEntry({ name, colour, dash }) {
  const made = node("li");
  const svg = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(svg, "svg");
  drawing.setAttribute("viewBox", "0 0 26 8");
  drawing.setAttribute("aria-hidden", "true");
  const stroke = document.createElementNS(svg, "line");
  const line = { x1: "0", x2: "26", y1: "4", y2: "4", "stroke-width": "2", "stroke-dasharray": DASHES[dash] || "" };
  for (const [key, value] of Object.entries(line)) stroke.setAttribute(key, value);
  stroke.style.stroke = colour === null ? "var(--m1-quiet)" : `var(--m1-line-${colour % 8})`;
  drawing.append(stroke);
  made.append(drawing, node("span", "", name));
  return made;
}

export class Curves {
  #context;
  #plots;

  /**
   * @param {Context} context
   * @param {Plots} plots
   */
  constructor(context, plots) {
    this.#context = context;
    this.#plots = plots;
    context.part("points-box").addEventListener("toggle", () => this.#showPoints());
  }

  #question() {
    const { view, chosen, chosenIds } = this.#context;
    return {
      runs: chosenIds,
      rule: view.rule,
      chart: view.chart,
      sets: panelSets(view, chosen),
      model: known(view.model, modelsOf(chosen), ""),
      rounds: known(view.rounds, roundsOf(chosen).map(String), ""),
      budget: view.chart === "rounds" ? known(view.budget, budgetsOf(chosen).map(String), "") : "",
      paper: view.paper === "1",
    };
  }

  async show() {
    const context = this.#context;
    const { part } = context;
    const panels = part("panels");
    if (!panels.childElementCount) setText(part("curves-note"), "Loading results…");
    const reply = await context.server.askLatest("curves", "curves", this.#question());
    if (!reply) return;
    if (reply.error) {
      context.notice(reply.error);
      return;
    }
    const shown = /** @type {Panel[]} */ (reply.panels);
    const made = shown.map((panel) => this.#panel(panel));
    const isSame = made.length === panels.childElementCount && made.every((each, i) => panels.children[i] === each);
    if (!isSame) panels.replaceChildren(...made);
    panels.classList.toggle("is-grid", made.length > 1);
    const note = `${NOTES[context.view.chart]} ${this.#leftOut} ${reply.unscored}`.trim();
    setText(part("curves-note"), made.length ? note : `${context.nothingYet} ${reply.unscored}`.trim());
    part("points-box").hidden = !made.length;
    try {
      for (const [i, each] of made.entries()) await this.#plots.draw(plotOf(each), shown[i].figure);
    } catch (error) {
      context.notice(error instanceof Error ? error.message : String(error));
    }
    await this.#showPoints();
  }

  /** @param {Panel} value */
  #panel(value) {
    const panels = all(this.#context.part("panels"), ":scope > figure", HTMLElement);
    const made = panels.find((each) => each.dataset.set === value.question_set) ?? this.#newPanel(value);
    const label = `Chart of ${value.title}: the numbers are in the table below`;
    plotOf(made).setAttribute("aria-label", label);
    const [list] = all(made, ".m1-key", HTMLElement);
    if (isNewFor(list, value.key)) list.replaceChildren(...value.key.map(keyEntry));
    const [note] = all(made, ".m1-quiet", HTMLElement);
    setText(note, value.note);
    return made;
  }

  /** @param {Panel} value */
  #newPanel(value) {
    const made = node("figure", "m1-figure m1-chart-panel");
    made.dataset.set = value.question_set;
    const head = node("figcaption", "m1-pane-head");
    const place = node("div", "m1-plot");
    place.setAttribute("role", "img");
    const files = node("span");
    files.append(...this.#plots.exports(place, fileName(`${this.#context.view.chart} ${value.title}`)));
    head.append(node("h3", "", value.title), files);
    made.append(head, place, node("ul", "m1-key"), node("p", "m1-quiet"));
    return made;
  }

  /** The numbers are only loaded when they are shown. */
  async #showPoints() {
    const { part, server } = this.#context;
    if (!part("points-box", HTMLDetailsElement).open || part("points-box").hidden) return;
    const reply = await server.askLatest("points", "points", this.#question());
    if (reply?.error) this.#context.notice(reply.error);
    else if (reply) showTable(part("points"), reply.table);
  }

  /** A run with one set has no average over sets; this must not look like a missing result. */
  get #leftOut() {
    const { view, chosen } = this.#context;
    if (panelSets(view, chosen).join() !== "") return "";
    const without = chosen.filter((run) => run.sets.length === 1).map((run) => run.name);
    return without.length ? `Not in the macro average (only one set): ${without.join(", ")}.` : "";
  }
}

/** @param {HTMLElement} panel */
const plotOf = (panel) => all(panel, ".m1-plot", HTMLElement)[0];
