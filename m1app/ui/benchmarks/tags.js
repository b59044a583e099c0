// Accuracy of one run by the tags of its questions, at each budget, a page at a time.
import { link, setText } from "../shell/elements.js";
import { number } from "../shell/words.js";
import { turned } from "./questions.js";
import { showTable } from "./tables.js";
import { known, oneRun } from "./view.js";

const PAGE = 50;

/**
 * @param {import("./view.js").View} view
 * @param {import("./view.js").Run[]} chosen
 */
export function tagChoice(view, chosen) {
  const run = oneRun(view, chosen);
  const rounds = run.rounds.map(String);
  return {
    run,
    model: known(view.model, run.models, run.models[0]),
    set: known(view.set, run.sets, ""),
    rounds: known(view.forced, rounds, rounds[0]),
  };
}

/**
 * What the pager says: "1 – 50 of 3,021".
 * @param {number} offset
 * @param {number} count
 * @param {number} total
 */
export const placeWords = (offset, count, total) =>
  count ? `${number(offset + 1)} – ${number(offset + count)} of ${number(total)}` : "";

export class TagsPane {
  #context;

  /** @param {import("./context.js").Context} context */
  constructor(context) {
    this.#context = context;
    const { part } = context;
    part("tags-earlier").addEventListener("click", () => this.#turn(-1));
    part("tags-later").addEventListener("click", () => this.#turn(1));
    part("tags-filter").addEventListener("submit", (event) => event.preventDefault());
  }

  /** @param {number} step */
  #turn(step) {
    this.#context.view.part = turned(this.#context.view.part, step);
    this.#context.showAddress(true);
    this.show();
  }

  async show() {
    const { view, chosen, part, server } = this.#context;
    const { run, model, set, rounds } = tagChoice(view, chosen);
    const offset = Math.max(0, (Number(view.part) || 1) - 1) * PAGE;
    const filter = { rule: view.rule, model, set, rounds, text: view.among };
    const reply = await server.askLatest("tags", "tags", { run: run.id, ...filter, offset });
    if (!reply) return;
    if (reply.error) {
      this.#context.notice(reply.error);
      return;
    }
    const count = reply.table.rows.length;
    showTable(part("tags-table"), reply.table)?.classList.add("m1-tags");
    part("tags-table").hidden = !count;
    const nothing = view.among ? "No tag matches." : this.#context.nothingYet;
    setText(part("tags-note"), count ? reply.note : nothing);
    setText(part("tags-place"), placeWords(offset, count, reply.total));
    part("tags-earlier", HTMLButtonElement).disabled = offset === 0;
    part("tags-later", HTMLButtonElement).disabled = offset + count >= reply.reachable;
    part("tags-pager").hidden = reply.total <= PAGE && offset === 0;
    this.#showFiles(run, filter);
  }

  /**
   * @param {import("./view.js").Run} run
   * @param {Record<string, string>} filter
   */
  #showFiles(run, filter) {
    const query = new URLSearchParams(filter).toString();
    const files = ["csv", "json"].map((ending) => {
      const name = ending.toUpperCase();
      const file = link(name, `/benchmark-runs/${run.id}/tags.${ending}?${query}`, `Download this table as ${name}`);
      file.download = "";
      return file;
    });
    this.#context.part("tags-files").replaceChildren("Download ", ...files);
  }
}
