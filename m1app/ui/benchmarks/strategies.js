// Strategies of one run at equal cost: the chart, and a table with the difference to a vote of as many tokens.
import { isNewFor, setText } from "../shell/elements.js";
import { fileName, keyEntry } from "./charts.js";
import { showTable } from "./tables.js";
import { cellsOf, known, oneRun } from "./view.js";

/** @typedef {import("../shell/plotly.js").PlotElement} PlotElement */

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
    try {
      await this.#plots.draw(place, reply.figure);
    } catch (error) {
      this.#context.notice(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {string} text */
  #say(text) {
    const status = this.#context.part("no-strategies");
    status.hidden = !text;
    setText(status, text);
  }
}
