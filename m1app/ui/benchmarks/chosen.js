// The chosen runs one by one: state, cost, downloads; rename, tag, archive, delete.
import { button, isNewFor, link, node, setMeter } from "../shell/elements.js";
import { isFreeEscape } from "../shell/escape.js";
import { number } from "../shell/words.js";
import { ConfirmDialog } from "./dialog.js";
import { stateWords, tagChips } from "./runs.js";

/** @typedef {import("./view.js").Run} Run */

const FILES = [
  ["CSV", "csv"],
  ["Parquet", "parquet"],
  ["Report", "html"],
];

export class ChosenRuns {
  #context;
  #dialog;
  /** The run whose name or tags are being edited: repainting must not close the field. */
  #edited = "";

  /** @param {import("./context.js").Context} context */
  constructor(context) {
    this.#context = context;
    this.#dialog = new ConfirmDialog(context.part);
  }

  get isEdited() {
    return this.#edited !== "";
  }

  show() {
    const { chosen, part } = this.#context;
    if (chosen.some((run) => run.id === this.#edited)) return;
    if (!isNewFor(part("chosen"), chosen)) return;
    part("chosen").replaceChildren(...chosen.map((run) => this.#article(run)));
    part("results").hidden = !chosen.length;
  }

  #endEdit() {
    this.#edited = "";
    this.#context.part("chosen").dataset.shown = "";
  }

  /** @param {Run} run */
  #article(run) {
    const made = node("article", "m1-chosen-run");
    made.dataset.chosen = run.id;
    const head = node("div", "m1-chosen-head");
    head.append(node("h3", "", run.name), stateWords(run));
    head.append(node("span", "m1-number", `${run.progress} questions`), tagChips(run));
    if (run.failed) head.append(node("span", "m1-failed m1-number", `${number(run.failed)} failed`));
    made.append(head);
    if (run.is_live) {
      const meter = node("div", "m1-meter");
      meter.setAttribute("role", "progressbar");
      meter.setAttribute("aria-label", `Questions of ${run.name}`);
      setMeter(meter, run.share);
      made.append(meter);
    }
    if (run.error) made.append(node("p", "m1-notice", run.error));
    made.append(node("p", "m1-quiet m1-number", run.facts), this.#tools(run, head));
    return made;
  }

  /**
   * @param {Run} run
   * @param {HTMLElement} head
   */
  #tools(run, head) {
    const made = node("div", "m1-links m1-run-tools");
    const files = FILES.map(([text, ending]) => {
      const file = link(text, `/benchmark-runs/${run.id}.${ending}`, `Download ${text} of ${run.name}`);
      file.download = "";
      return file;
    });
    const archive = run.is_archived ? "Unarchive" : "Archive";
    const putAway = () => this.#change("archive", { run: run.id, is_archived: !run.is_archived });
    made.append(node("span", "m1-quiet", "Download"), ...files, node("span", "m1-quiet", "·"));
    made.append(
      button("Rename", () => this.#edit(run, "name", head), `Rename ${run.name}`),
      button("Tags", () => this.#edit(run, "tags", head), `Tags of ${run.name}`),
      button(archive, putAway, `${archive} ${run.name}`),
      button("Delete", () => this.#remove(run), `Delete ${run.name}`),
    );
    return made;
  }

  /**
   * @param {Run} run
   * @param {"name" | "tags"} what
   * @param {HTMLElement} head
   */
  #edit(run, what, head) {
    this.#edited = run.id;
    const form = node("form", "m1-edit");
    const field = node("input");
    field.type = "text";
    field.value = what === "name" ? run.own_name : run.tags.join(", ");
    field.maxLength = 200;
    const named = node("label", "m1-field m1-inline", what === "name" ? "Name" : "Tags, separated by commas");
    named.append(field);
    const close = () => {
      this.#endEdit();
      this.show();
    };
    const save = button("Save", () => {});
    save.type = "submit";
    form.append(named, save, button("Cancel", close));
    form.addEventListener("keydown", (event) => {
      if (!isFreeEscape(event)) return;
      event.preventDefault();
      close();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#change(what === "name" ? "rename" : "tag", { run: run.id, [what]: field.value });
    });
    head.replaceChildren(form);
    field.focus();
    field.select();
  }

  /**
   * @param {string} action
   * @param {object} values
   */
  async #change(action, values) {
    const context = this.#context;
    const reply = await context.server.ask(action, values);
    if (reply.error) {
      context.notice(reply.error);
      return;
    }
    // An archived run stays visible until another is chosen.
    if (!context.view.runs.length) context.view.runs = context.chosenIds;
    this.#endEdit();
    context.stamp = "";
    context.showAddress(false);
    await context.refresh();
  }

  /** @param {Run} run */
  async #remove(run) {
    const context = this.#context;
    const extent = await context.server.ask("extent", { run: run.id });
    if (extent.error) {
      context.notice(extent.error);
      return;
    }
    if (!(await this.#dialog.ask("Delete this run?", `${run.name}: ${extent.text}`, "Delete the run"))) return;
    const left = context.chosenIds.filter((id) => id !== run.id);
    const reply = await context.server.ask("delete", { run: run.id });
    if (reply.error) {
      context.notice(reply.error);
      return;
    }
    await context.choose(left);
    context.showDeletion(reply.notice, () => this.#restore(run.id, reply.undo));
  }

  /**
   * @param {string} runId
   * @param {string} deletion
   */
  async #restore(runId, deletion) {
    const context = this.#context;
    const reply = await context.server.ask("restore", { deletion });
    context.stamp = "";
    await context.choose([...context.chosenIds, runId]);
    context.showDeletion(reply.error || reply.notice, null);
  }
}
