// The table of runs: filter, choose one or several to compare.
import { link, node, setText } from "../shell/elements.js";
import { number, plural, shortTime } from "../shell/words.js";
import { isViewName, range, union } from "./view.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./view.js").Run} Run */

const TYPING_MS = 300;

export class Runs {
  #context;
  #onChosen;
  #hasScrolled = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /**
   * @param {Context} context
   * @param {() => void} onChosen Paints the chosen runs.
   */
  constructor(context, onChosen) {
    this.#context = context;
    this.#onChosen = onChosen;
    const filter = context.part("runs-filter", HTMLFormElement);
    filter.addEventListener("submit", (event) => event.preventDefault());
    filter.addEventListener("input", ({ target }) => this.#onFilter(target));
    for (const field of filter.elements) {
      if (!(field instanceof HTMLInputElement) || !isViewName(field.name)) continue;
      if (field.type === "checkbox") field.checked = context.view[field.name] === "1";
      else field.value = context.view[field.name];
    }
  }

  /** @param {EventTarget | null} target */
  #onFilter(target) {
    const { view } = this.#context;
    if (!(target instanceof HTMLInputElement) || !isViewName(target.name)) return;
    const isBox = target.type === "checkbox";
    view[target.name] = isBox ? (target.checked ? "1" : "") : target.value.trim();
    clearTimeout(this.#typing);
    const ask = () => {
      this.#context.showAddress(false);
      this.#context.stamp = "";
      this.#context.refresh();
    };
    this.#typing = setTimeout(ask, isBox ? 0 : TYPING_MS);
  }

  /** @returns {Promise<boolean>} Whether anything was new. */
  async load() {
    const context = this.#context;
    const { view, part, stamp } = context;
    const question = { find: view.find, tag: view.tag, archived: view.archived === "1", runs: view.runs, stamp };
    const reply = await context.server.askLatest("runs", "runs", question);
    if (!reply || reply.is_same) return false;
    if (reply.error) {
      context.notice(reply.error);
      return false;
    }
    context.notice(reply.problem);
    context.stamp = reply.stamp;
    const isFiltered = Boolean(view.find || view.tag || view.archived);
    part("empty").hidden = reply.runs.length > 0 || reply.chosen.length > 0 || isFiltered;
    part("runs-section").hidden = !part("empty").hidden;
    // By default the newest run is shown; the address stores it once something is chosen.
    context.chosen = reply.chosen.length || view.runs.length ? reply.chosen : reply.runs.slice(0, 1);
    this.#show(reply.runs, reply.is_cut);
    return true;
  }

  /**
   * @param {Run[]} runs
   * @param {boolean} isCut
   */
  #show(runs, isCut) {
    const { part } = this.#context;
    const body = part("runs");
    const active = document.activeElement?.closest("[data-run]");
    const focused = active instanceof HTMLElement ? active.dataset.run : undefined;
    body.replaceChildren(...runs.map((run) => this.#row(run)));
    const box = focused && body.querySelector(`[data-run="${CSS.escape(focused)}"] input`);
    if (box instanceof HTMLElement) box.focus({ preventScroll: true });
    const counted = runs.length ? plural(runs.length, "run") : "No run matches the filter.";
    const cut = `The newest ${runs.length} are shown; filter to find older ones.`;
    setText(part("runs-note"), isCut ? cut : counted);
    const tags = union(runs.map((run) => run.tags));
    part("tags").replaceChildren(...tags.map((value) => Object.assign(node("option"), { value })));
    this.#onChosen();
    // Scroll the first chosen run into view when the page opens.
    const first = body.querySelector(".is-chosen");
    const frame = body.closest(".m1-runs");
    if (this.#hasScrolled || !(first instanceof HTMLElement) || !frame) return;
    this.#hasScrolled = true;
    frame.scrollTop = first.offsetTop - 60;
  }

  /** @param {Run} run */
  #row(run) {
    const context = this.#context;
    const isChosen = context.chosen.some((each) => each.id === run.id);
    const row = node("tr", isChosen ? "is-chosen" : "");
    row.dataset.run = run.id;
    const box = Object.assign(node("input"), { type: "checkbox", checked: isChosen });
    box.setAttribute("aria-label", `Compare ${run.name}`);
    box.addEventListener("change", () => {
      const others = context.chosenIds.filter((id) => id !== run.id);
      context.choose(box.checked ? [...others, run.id] : others);
    });
    const name = link(run.name, `?run=${run.id}`);
    name.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      context.choose([run.id]);
    });
    const progress = run.failed ? `${run.progress}, ${number(run.failed)} failed` : run.progress;
    /** @type {[content: Node | string, className?: string][]} */
    const cells = [
      [box],
      [name, "m1-run-name"],
      [stateWords(run)],
      [progress, "m1-number"],
      [run.sets.join(", "), "m1-list"],
      [run.models.join(", "), "m1-list"],
      [range(run.budgets.filter(Boolean)) || "–"],
      [range(run.rounds)],
      [shortTime(run.created), "m1-number"],
      [tagChips(run)],
    ];
    for (const [content, className] of cells) {
      const cell = node("td", className);
      cell.append(content);
      row.append(cell);
    }
    return row;
  }
}

/** @param {Run} run */
export function stateWords(run) {
  const made = node("span", "m1-run-state", run.state_label + (run.is_archived ? ", archived" : ""));
  made.dataset.state = run.state;
  return made;
}

/** @param {Run} run */
export function tagChips(run) {
  const made = node("span", "m1-run-tags");
  made.append(...run.tags.map((tag) => node("span", "m1-tag", tag)));
  return made;
}
