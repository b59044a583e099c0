// Fits of one run: a chart for each curve, where it stops paying, and a table. The policies of the run are below them.
import { isNewFor, link, node, setText } from "../shell/elements.js";
import { fileName, keyEntry } from "./charts.js";
import { strategyChoice } from "./strategies.js";
import { tableNode } from "./tables.js";
import { known } from "./view.js";

/** @typedef {import("../shell/plotly.js").Figure} Figure */

/**
 * @typedef {object} Curve
 * @property {string} title
 * @property {string} name
 * @property {Figure} figure
 * @property {import("./charts.js").KeyEntry[]} key
 * @property {string} saturation
 * @property {string} payoff
 * @property {import("./tables.js").Table} table
 */

export const GAINS = ["0.5", "1", "2", "5"];

/**
 * @param {import("./view.js").View} view
 * @param {import("./view.js").Run[]} chosen
 */
export function fitChoice(view, chosen) {
  return { ...strategyChoice(view, chosen), gain: known(view.gain, GAINS, "1") };
}

export class FitsPane {
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
    const { run, model, set, cell, gain } = fitChoice(view, chosen);
    if (!part("fits").childElementCount) this.#say("Fitting curves…");
    const asked = { rule: view.rule, model, set, cell, gain };
    const reply = await server.askLatest("fits", "fits", { run: run.id, ...asked });
    if (!reply) return;
    part("fits-found").hidden = Boolean(reply.error);
    this.#say(reply.error ?? "");
    if (reply.error) return;
    setText(part("fits-note"), reply.note);
    this.#showFiles(run, asked);
    if (!isNewFor(part("fits"), reply.curves)) return;
    for (const plot of part("fits").querySelectorAll(".m1-plot")) {
      if (plot instanceof HTMLElement) await this.#plots.clear(plot);
    }
    const made = reply.curves.map((/** @type {Curve} */ curve) => this.#curve(curve, run.name));
    part("fits").replaceChildren(...made.map((/** @type {{ panel: HTMLElement }} */ each) => each.panel));
    try {
      for (const { plot, figure } of made) await this.#plots.draw(plot, figure);
    } catch (error) {
      this.#context.notice(error instanceof Error ? error.message : String(error));
    }
  }

  /**
   * @param {Curve} curve
   * @param {string} runName
   */
  #curve({ title, name, figure, key, saturation, payoff, table }, runName) {
    const panel = node("section", "m1-fit");
    panel.dataset.curve = name;
    const frame = node("figure", "m1-figure m1-chart-panel");
    const head = node("figcaption", "m1-pane-head");
    const exports = node("span");
    const plot = node("div", "m1-plot");
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", `Chart, ${title}: the numbers are in the table below`);
    exports.append(...this.#plots.exports(plot, fileName(`fit ${name} ${runName}`)));
    head.append(node("h3", "", title), exports);
    const entries = node("ul", "m1-key");
    entries.append(...key.map(keyEntry));
    frame.append(head, plot, entries);
    const numbers = node("div", "m1-history");
    numbers.tabIndex = 0;
    numbers.setAttribute("role", "region");
    numbers.setAttribute("aria-label", title);
    numbers.append(tableNode(table));
    const beside = node("div", "m1-fit-numbers");
    const sentences = [saturation, payoff].filter(Boolean).map((text) => node("p", "m1-fit-sentence", text));
    beside.append(...sentences, numbers);
    panel.append(frame, beside);
    return { panel, plot, figure };
  }

  /**
   * @param {import("./view.js").Run} run
   * @param {Record<string, string>} asked
   */
  #showFiles(run, asked) {
    const query = new URLSearchParams(asked).toString();
    const files = ["csv", "json"].map((ending) => {
      const name = ending.toUpperCase();
      const file = link(name, `/benchmark-runs/${run.id}/fits.${ending}?${query}`, `Download the fits as ${name}`);
      file.download = "";
      return file;
    });
    this.#context.part("fits-files").replaceChildren("Download ", ...files);
  }

  /** @param {string} text */
  #say(text) {
    const status = this.#context.part("no-fits");
    status.hidden = !text;
    setText(status, text);
  }
}
