// Accuracy of one run by the tags of its questions, at each budget, a page at a time.
import { link, setText } from "../shell/elements.js";
import { Pager } from "./pager.js";
import { showTable } from "./tables.js";
import { known, oneRun } from "./view.js";

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

export class TagsPane {
  #context;
  #pager;

  /** @param {import("./context.js").Context} context */
  constructor(context) {
    this.#context = context;
    this.#pager = new Pager(context, "tags-", () => this.show());
    context.part("tags-filter").addEventListener("submit", (event) => event.preventDefault());
  }

  async show() {
    const { view, chosen, part, server } = this.#context;
    const { run, model, set, rounds } = tagChoice(view, chosen);
    const { offset } = this.#pager;
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
    this.#pager.place(offset, count, reply.total, reply.reachable);
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
