// Strategies of one run at equal cost: the chart, and a table with the difference to a vote of as many tokens.
import { all, isNewFor, link, node, setText } from "../shell/elements.js";
import { fileName, keyEntry } from "./charts.js";
import { showTable } from "./tables.js";
import { cellsOf, known, oneRun } from "./view.js";

/** @typedef {import("../shell/plotly.js").PlotElement} PlotElement */
/** @typedef {{ title: string, figure: import("../shell/plotly.js").Figure }} Facet */

/**
 * @param {import("./view.js").View} view
 * @param {import("./view.js").Run[]} chosen
 */
export function strategyChoice(view, chosen) {
  const run = oneRun(view, chosen);
  const cells = cellsOf(run);
  return {
    run,
    model: known(view.model, run.models, run.models[0]),
    set: known(view.set, run.sets, ""),
    cell: known(view.drawn, cells, `${run.budgets[run.budgets.length - 1]}-${run.rounds[0]}`),
  };
}

export class StrategiesPane {
  #context;
  #plots;

  /**
   * @param {import("./context.js").Context} context
   * @param {import("./charts.js").Plots} plots
   */
  constructor(context, plots) {
    this.#context = context;
    this.#plots = plots;
  }

  async show() {
    const { view, chosen, part, server } = this.#context;
    const { run, model, set, cell } = strategyChoice(view, chosen);
    if (!part("strategies-table").childElementCount) this.#say("Evaluating strategies…");
    const question = { run: run.id, rule: view.rule, model, set, cell };
    const reply = await server.askLatest("strategies", "strategies", question);
    if (!reply) return;
    part("strategies-found").hidden = Boolean(reply.error);
    this.#say(reply.error ?? "");
    if (reply.error) return;
    setText(part("strategies-note"), reply.note);
    showTable(part("strategies-table"), reply.table);
    if (isNewFor(part("strategies-key"), reply.key)) {
      part("strategies-key").replaceChildren(...reply.key.map(keyEntry));
    }
    const place = /** @type {PlotElement} */ (part("strategies-plot"));
    part("strategies-exports").replaceChildren(...this.#plots.exports(place, fileName(`strategies ${run.name}`)));
    this.#showMeasured(run, reply);
    try {
      await this.#plots.draw(place, reply.figure);
      await this.#showFacets(run, reply);
    } catch (error) {
      this.#context.notice(error instanceof Error ? error.message : String(error));
    }
  }

  /**
   * What the run itself answered by strategies.
   * @param {import("./view.js").Run} run
   * @param {any} reply
   */
  #showMeasured(run, reply) {
    const { part } = this.#context;
    part("measured-box").hidden = !reply.measured;
    if (!reply.measured) return;
    showTable(part("measured-table"), reply.measured);
    setText(part("measured-note"), reply.measured_note);
    const file = link("CSV", `/benchmark-runs/${run.id}/strategies.csv`, "Download every strategy's answers as CSV");
    file.download = "";
    part("measured-files").replaceChildren("Download ", file);
  }

  /**
   * A chart for each difficulty.
   * @param {import("./view.js").Run} run
   * @param {any} reply
   */
  async #showFacets(run, reply) {
    const { part } = this.#context;
    const facets = /** @type {Facet[]} */ (reply.facets);
    const box = part("facets");
    part("facets-box").hidden = !facets.length;
    setText(part("facets-note"), reply.facets_note);
    const places = facets.map((facet, i) => this.#facetPlace(box, i, facet, run));
    for (const old of [...box.children].slice(facets.length)) old.remove();
    for (const [i, place] of places.entries()) await this.#plots.draw(place, facets[i].figure);
  }

  /**
   * @param {HTMLElement} box
   * @param {number} number
   * @param {Facet} facet
   * @param {import("./view.js").Run} run
   */
  #facetPlace(box, number, { title }, run) {
    const [made] = all(box, `:scope > figure:nth-of-type(${number + 1})`, HTMLElement);
    const panel = made ?? node("figure", "m1-figure m1-chart-panel");
    if (!made) {
      const head = node("figcaption", "m1-pane-head");
      const plot = node("div", "m1-plot");
      plot.setAttribute("role", "img");
      const files = node("span");
      files.append(...this.#plots.exports(plot, fileName(`strategies ${run.name} ${number + 1}`)));
      head.append(node("h4"), files);
      panel.append(head, plot);
      box.append(panel);
    }
    setText(all(panel, "h4", HTMLElement)[0], title);
    const [plot] = all(panel, ".m1-plot", HTMLElement);
    plot.setAttribute("aria-label", `Chart of accuracy against tokens per question. ${title}`);
    return /** @type {PlotElement} */ (plot);
  }

  /** @param {string} text */
  #say(text) {
    const status = this.#context.part("no-strategies");
    status.hidden = !text;
    setText(status, text);
  }
}
