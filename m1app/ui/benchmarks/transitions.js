// Transitions between two cells of one run, of one model or of two: the flow, its counts in words, and the comparisons
// along the curve.
import { button, node, setText } from "../shell/elements.js";
import { number } from "../shell/words.js";
import { fileName } from "./charts.js";
import { showTable } from "./tables.js";
import { cellsOf, cellText, known, oneRun } from "./view.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("../shell/plotly.js").PlotElement} PlotElement */
/** @typedef {{ verdict: string, words: string, count: number, share: string }} Way */

/**
 * @param {import("./view.js").View} view
 * @param {import("./view.js").Run[]} chosen
 */
export function transitionChoice(view, chosen) {
  const run = oneRun(view, chosen);
  const cells = cellsOf(run);
  const model = known(view.model, run.models, run.models[0]);
  // With one cell there is nothing to compare but another model.
  const others = run.models.filter((name) => name !== model);
  const usual = cells.length < 2 ? (others[0] ?? "") : "";
  return {
    run,
    model,
    other: known(view.other, others, usual),
    set: known(view.set, run.sets, ""),
    before: known(view.before, cells, `${run.budgets[0]}-${run.rounds[0]}`),
    after: known(view.after, cells, `${run.budgets[run.budgets.length - 1]}-${run.rounds[0]}`),
  };
}

export class TransitionsPane {
  #context;
  #plots;

  /**
   * @param {Context} context
   * @param {import("./charts.js").Plots} plots
   */
  constructor(context, plots) {
    this.#context = context;
    this.#plots = plots;
  }

  async show() {
    const { view, chosen, part, server } = this.#context;
    const { run, model, other, set, before, after } = transitionChoice(view, chosen);
    const question = { run: run.id, rule: view.rule, model, other, set, before, after };
    const reply = await server.askLatest("transitions", "transitions", question);
    if (!reply) return;
    if (reply.error) {
      this.#showNothing(reply.error, `From ${cellText(before)} to ${cellText(after)}`);
      return;
    }
    const flow = /** @type {PlotElement} */ (part("flow"));
    setText(part("flow-head"), reply.head);
    setText(part("comparison"), reply.comparison);
    part("ways").replaceChildren(...reply.ways.map((/** @type {Way} */ way) => this.#row(way)));
    part("flow-exports").replaceChildren(...this.#plots.exports(flow, fileName(`transitions ${before} ${after}`)));
    flow.setAttribute("aria-label", `${reply.head} ${reply.comparison}`);
    try {
      await this.#plots.draw(flow, reply.figure);
    } catch (error) {
      this.#context.notice(error instanceof Error ? error.message : String(error));
      return;
    }
    flow.removeAllListeners("plotly_click");
    flow.on("plotly_click", ({ points: [point] }) => {
      const verdict = reply.figure.data[0].link.customdata[point.index ?? point.pointNumber];
      if (point.source !== undefined && verdict) this.#openQuestions(verdict);
    });
    await this.#showAlong(question);
  }

  /**
   * @param {string} why
   * @param {string} head
   */
  #showNothing(why, head) {
    const { part } = this.#context;
    setText(part("comparison"), why);
    for (const name of ["ways", "curve", "flow-exports"]) {
      part(name).replaceChildren();
      part(name).dataset.shown = "";
    }
    setText(part("flow-head"), head);
    this.#plots.clear(part("flow"));
  }

  /**
   * Each budget against the previous one; loaded after the flow, which should not wait for it.
   * @param {object} question
   */
  async #showAlong(question) {
    const { part, server } = this.#context;
    const reply = await server.askLatest("along", "along", question);
    if (!reply) return;
    if (reply.error) this.#context.notice(reply.error);
    else if (reply.table.rows.length) showTable(part("curve"), reply.table);
    else {
      part("curve").dataset.shown = "";
      part("curve").replaceChildren(node("p", "m1-quiet", "There is only one budget."));
    }
  }

  /** @param {Way} way */
  #row(way) {
    const row = node("tr");
    row.dataset.way = way.verdict;
    const words = node("td");
    words.append(node("span", "m1-way-mark"), way.words);
    const act = node("td");
    const open = () => this.#openQuestions(way.verdict);
    if (way.count) act.append(button("Questions", open, `Show the questions: ${way.words}`));
    row.append(words, node("td", "m1-number", number(way.count)), node("td", "m1-number", way.share), act);
    return row;
  }

  /** @param {string} verdict */
  #openQuestions(verdict) {
    const context = this.#context;
    const { run, model, other, set, before, after } = transitionChoice(context.view, context.chosen);
    const two = { model: other || model, than: other && model };
    const cells = { from: before, cell: after };
    Object.assign(context.view, { tab: "questions", of: run.id, ...two, set, ...cells, verdict, text: "", part: "" });
    context.showAddress(true);
    context.showPane();
  }
}
