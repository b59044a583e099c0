// Shared by all parts of the Benchmarks page: the view, the chosen runs, the server.
import { partsOf, say, setText } from "../shell/elements.js";
import { inkOf } from "../shell/plotly.js";
import { Server } from "../shell/server.js";
import { queryOf, viewOf } from "./view.js";

/** @typedef {import("./view.js").Run} Run */

const WAIT_MS = 30_000;
const LATE = { error: "The app is not responding. Check that it is running, then reload this page." };

export class Context {
  view = viewOf(new URL(window.location.href).searchParams);
  /** The runs that are shown. @type {Run[]} */
  chosen = [];
  /** Stamp of the displayed list of runs: the server only replies if there is a newer one. */
  stamp = "";
  /** Paints the pane of the chosen tab. @type {() => Promise<void>} */
  showPane = async () => {};
  /** Requests the runs and paints changes. @type {() => Promise<void>} */
  refresh = async () => {};

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element, trigger, signal }) {
    this.element = element;
    this.signal = signal;
    this.part = partsOf(element);
    this.ink = inkOf(element);
    this.server = new Server({
      trigger,
      onBusy: (isBusy) => element.firstElementChild?.setAttribute("aria-busy", String(isBusy)),
      late: LATE,
      waitMs: WAIT_MS,
    });
  }

  /** @param {string | null | undefined} text */
  notice(text) {
    say(this.part("notice"), text);
  }

  /**
   * What came of a deletion, until the next one.
   * @param {string} text
   * @param {(() => void) | null} undo
   */
  showDeletion(text, undo) {
    this.part("deletion").hidden = !text;
    setText(this.part("deletion-text"), text);
    const button = this.part("undo");
    button.hidden = !undo;
    button.onclick = undo;
  }

  /** @param {boolean} isNew A page to go back from. */
  showAddress(isNew) {
    const url = new URL(window.location.href);
    url.search = queryOf(this.view);
    if (url.href === window.location.href) return;
    window.history[isNew ? "pushState" : "replaceState"](null, "", url);
  }

  get chosenIds() {
    return this.chosen.map((run) => run.id);
  }

  /**
   * A name shows only its run; a checkbox adds or removes its run.
   * @param {string[]} ids
   */
  async choose(ids) {
    this.view.runs = ids;
    this.showAddress(true);
    this.stamp = "";
    await this.refresh();
  }

  get nothingYet() {
    return this.chosen.some((run) => run.is_live)
      ? "No answers yet. The curves start with the first finished question."
      : "No answers match this choice. Choose another set, model or number of rounds.";
  }
}
