// Knowledge or reasoning: the share of failures that one missing fact explains, and where labels and tests disagree.
import { linkedRow, node, setText } from "../shell/elements.js";

/** @typedef {import("../shell/plotly.js").Figure} Figure */

/**
 * @typedef {object} Disagreement
 * @property {string} test Address of the fact test.
 * @property {string} stem
 * @property {string} fact
 * @property {string} model
 * @property {string} labels
 * @property {string} verdict
 */

/** @param {(string | number)[]} counts A label, and how often it met each verdict. */
function matrixRow([label, ...counts]) {
  const row = node("tr");
  const name = node("th", "", String(label));
  name.scope = "row";
  row.append(name, ...counts.map((count) => node("td", "m1-number", String(count))));
  return row;
}

/** @param {Disagreement} each */
function disagreementRow(each) {
  return linkedRow(each.test, [
    [each.stem, "m1-stem"],
    [each.fact, "m1-wide"],
    [each.labels],
    [each.verdict],
    [each.model],
  ]);
}

export class KnowledgeSection {
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
    const { part, server } = this.#context;
    const reply = await server.askLatest("knowledge", "knowledge", {});
    if (!reply) return;
    if (reply.error) {
      this.#context.notice(reply.error);
      return;
    }
    part("knowledge-empty").hidden = !reply.is_empty;
    part("knowledge-found").hidden = reply.is_empty;
    if (reply.is_empty) return;
    for (const name of ["said", "apart", "agreed", "more"]) setText(part(`knowledge-${name}`), reply[name]);
    const heads = reply.columns.map((/** @type {string} */ text, /** @type {number} */ i) => {
      const cell = node("th", i ? "m1-number" : "", text);
      cell.scope = "col";
      return cell;
    });
    part("knowledge-columns").replaceChildren(...heads);
    part("knowledge-agreement").replaceChildren(...reply.agreement.map(matrixRow));
    part("knowledge-queue").hidden = !reply.disagreements.length;
    part("knowledge-disagreements").replaceChildren(...reply.disagreements.map(disagreementRow));
    await this.#draw(reply.figure, reply.said);
  }

  /**
   * @param {Figure | null} figure
   * @param {string} said
   */
  async #draw(figure, said) {
    const plot = this.#context.part("knowledge-plot");
    plot.hidden = !figure;
    if (!figure) return;
    plot.ariaLabel = said;
    try {
      await this.#plots.draw(plot, figure);
    } catch (error) {
      this.#context.notice(error instanceof Error ? error.message : String(error));
    }
    this.#context.part("knowledge-files").replaceChildren("Save ", ...this.#plots.exports(plot, "m1-knowledge"));
  }
}
