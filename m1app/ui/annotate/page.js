// The Annotate page: address, views, keys, and the annotator's name.
import { all, node } from "../shell/elements.js";
import { isFreeEscape } from "../shell/escape.js";
import { CasePane } from "./case_view.js";
import { addressOf, filterOf, isFiltered } from "./filters.js";
import { Queue } from "./queue.js";
import { Session } from "./session.js";
import { learningAddress, SubmittedBar } from "./submitted_bar.js";

/** @typedef {import("./session.js").TextPart} TextPart */
/** @typedef {{ part: TextPart, start: number, end: number }} Place In code points. */

const KEYS = [
  "In a text, the left and right arrow keys select a word, up and down a sentence. Shift extends the selection; Ctrl+Shift moves its end by one character.",
  "Then a number or letter chooses a label, Shift and a number the severity. Enter goes to the labels. Ctrl+Enter saves, Escape cancels.",
  "Ctrl+Shift+Enter submits the case and opens the next one; Ctrl+Z undoes the submission.",
  "J and K, or Alt with the arrow keys down and up, go to the next and previous case.",
];
const TYPED = "input:not([type=checkbox]):not([type=radio]), textarea, select";

/**
 * The place marked by the address.
 * @param {URLSearchParams} address
 * @returns {Place | null}
 */
export function placeOf(address) {
  const [start, end] = ["start", "end"].map((name) => Number.parseInt(address.get(name) ?? "", 10));
  if (!(start < end)) return null;
  return { part: address.get("part") === "answer" ? "answer" : "thinking", start, end };
}

class AnnotatePage {
  #session;
  #pane;
  #queue;
  #bar;
  #tabs;
  #view = "cases";

  /** @param {import("../shell/elements.js").Host} host */
  constructor(host) {
    this.#session = new Session(host);
    this.#tabs = all(host.element, "[data-tab]", HTMLElement);
    this.#pane = new CasePane(this.#session, () => this.#submit());
    this.#bar = new SubmittedBar(this.#session.part("submitted"), {
      undo: (id) => this.#undo(id),
      review: (id) => this.#open(id),
      clear: () => this.#queue.clear(),
      view: (name) => this.#goTo(name),
    });
    this.#queue = new Queue(this.#session, {
      onOpen: (id) => this.#open(id),
      onChange: () => {
        this.#bar.clear();
        this.#showAddress("");
        this.#queue.load();
      },
    });
    this.#wire(host.signal);
  }

  /** @param {AbortSignal} signal */
  #wire(signal) {
    const { part } = this.#session;
    const annotator = part("annotator", HTMLInputElement);
    annotator.value = this.#session.name;
    annotator.addEventListener("change", () => this.#rename(annotator.value.trim()));
    annotator.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.ctrlKey) this.#rename(annotator.value.trim());
    });
    part("keys").replaceChildren(...KEYS.map((text) => node("p", "", text)));
    part("back").addEventListener("click", () => this.#close());
    part("previous").addEventListener("click", () => this.#go(0));
    part("next").addEventListener("click", () => this.#go(1));
    this.#tabs.forEach((tab, i) => {
      this.#wireTab(tab, i);
    });
    document.addEventListener("keydown", (event) => this.#onKey(event), { signal });
    // A bar of the summary asks for the cases behind it.
    const onFilter = (/** @type {Event} */ event) => {
      this.#queue.set(/** @type {CustomEvent} */ (event).detail);
      this.#pane.isShown = false;
      this.#showView("cases");
      this.#showAddress("", true);
      this.#queue.load();
    };
    document.addEventListener("m1-annotate-filter", onFilter, { signal });
  }

  /**
   * @param {HTMLElement} tab
   * @param {number} place
   */
  #wireTab(tab, place) {
    tab.addEventListener("click", () => this.#goTo(tab.dataset.tab ?? "cases"));
    tab.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
      if (!step) return;
      event.stopPropagation();
      const next = this.#tabs[(place + step + this.#tabs.length) % this.#tabs.length];
      next.focus();
      next.click();
    });
  }

  /** @param {string} view */
  #goTo(view) {
    this.#showView(view);
    const isOpen = this.#view === "cases" && this.#pane.isShown;
    this.#showAddress(isOpen ? this.#pane.caseId : "", true);
  }

  /**
   * @param {string} caseId
   * @param {boolean} [isNew] Whether to add a history entry.
   */
  #showAddress(caseId, isNew = false) {
    const url = new URL(window.location.href);
    url.search = addressOf(this.#queue.filter, { tab: this.#view, caseId });
    if (url.href === window.location.href) return;
    window.history[isNew ? "pushState" : "replaceState"](null, "", url);
  }

  /** @param {string} name */
  #showView(name) {
    this.#view = name;
    for (const tab of this.#tabs) {
      const isChosen = tab.dataset.tab === name;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
    }
    this.#session.part("queue").hidden = name !== "cases" || this.#pane.isShown;
    this.#session.part("case").hidden = name !== "cases" || !this.#pane.isShown;
    document.dispatchEvent(new CustomEvent("m1-annotate-view", { detail: { name } }));
  }

  /**
   * @param {string} id
   * @param {Place | null} [place]
   * @returns {Promise<import("./case_view.js").OpenedCase | null>} Null if it cannot be opened.
   */
  async #open(id, place = null) {
    this.#bar.clear();
    this.#pane.draft.flush();
    const reply = await this.#session.ask("open", { case: id, filter: this.#queue.filter });
    this.#session.problem(null, reply.error);
    if (reply.error) {
      if (!this.#pane.isShown) this.#showView(this.#view);
      return null;
    }
    this.#pane.isShown = true;
    this.#showView("cases");
    this.#pane.show(reply);
    this.#showAddress(id, true);
    window.scrollTo(0, 0);
    if (place && !this.#pane.form.isOpen) this.#pane.preselect(place);
    return reply;
  }

  /** Submits the open case and goes on to the next one that is left. */
  async #submit() {
    const { caseId } = this.#pane;
    const { filter } = this.#queue;
    const learning = this.#pane.hasCorrection ? learningAddress(this.#pane.source) : "";
    const reply = await this.#session.ask("submit", { case: caseId, filter });
    this.#session.problem(null, reply.error);
    if (reply.error) return;
    const opened = reply.next ? await this.#open(reply.next) : null;
    if (opened) {
      this.#bar.showNext(caseId, opened.case.stem, learning);
      this.#pane.focusText();
      this.#queue.load();
    } else {
      this.#close();
      this.#bar.showEnd(caseId, isFiltered(filter), learning);
    }
  }

  /** @param {string} id Of a submitted case. */
  async #undo(id) {
    const reply = await this.#session.ask("reopen", { case: id });
    this.#session.problem(null, reply.error);
    if (reply.error || !(await this.#open(id))) return;
    this.#bar.showUndone();
    this.#pane.focusText();
    this.#queue.load();
  }

  #close() {
    this.#bar.clear();
    this.#pane.draft.flush();
    this.#pane.draft.caseId = "";
    this.#pane.isShown = false;
    this.#showView("cases");
    this.#showAddress("", true);
    this.#queue.load();
  }

  /** @param {0 | 1} step To the case before or after. */
  #go(step) {
    const id = this.#pane.neighbours[step];
    if (id) this.#open(id);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const isTyping = event.target instanceof Element && event.target.closest(TYPED);
    if (this.#bar.submitted && event.ctrlKey && !event.shiftKey && event.key === "z" && !isTyping) {
      event.preventDefault();
      this.#undo(this.#bar.submitted);
      return;
    }
    if (this.#view !== "cases" || !this.#pane.isShown) return;
    const { form } = this.#pane;
    const hasControl = event.ctrlKey || event.metaKey;
    if (event.key === "Enter" && hasControl) {
      if (event.shiftKey) this.#pane.pressSubmit();
      else this.#pane.save();
    } else if (form.isOpen && isFreeEscape(event)) {
      event.preventDefault();
      this.#pane.cancel();
    } else if (event.altKey && !event.ctrlKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.#go(event.key === "ArrowDown" ? 1 : 0);
    } else if (!hasControl && !event.altKey) {
      this.#onPlainKey(event, event.target instanceof Element ? event.target : null);
    }
  }

  /**
   * @param {KeyboardEvent} event
   * @param {Element | null} target
   */
  #onPlainKey(event, target) {
    if (target?.closest(TYPED)) return;
    const { form } = this.#pane;
    if (event.key === "Enter" && target?.closest(".m1-mark-pane") && form.isOpen) {
      event.preventDefault();
      form.palette.root.querySelector("input")?.focus();
      return;
    }
    const digit = /^Digit([1-9])$/.exec(event.code)?.[1];
    const press = () =>
      event.shiftKey ? digit !== undefined && form.pressSeverity(Number(digit) - 1) : form.palette.press(event.key);
    if (form.isOpen && press()) event.preventDefault();
    else if (event.key === "j" || event.key === "k") this.#go(event.key === "j" ? 1 : 0);
  }

  /** @param {string} name */
  async #rename(name) {
    if (name === this.#session.name) return;
    const pane = this.#pane;
    pane.draft.flush();
    this.#session.rename(name);
    this.#session.problem(null, null);
    // Includes a mark started before the name was entered.
    const typed = pane.isShown && pane.form.isDirty ? pane.form.read() : null;
    await this.#queue.load();
    if (!pane.isShown) return;
    await this.#open(pane.caseId);
    if (typed && !typed.id && !pane.form.isOpen) {
      pane.form.fill(typed, true);
      pane.form.changed();
    }
  }

  /** @param {{ taxonomy: import("./session.js").Taxonomy, person: string }} value `person`: the account's name. */
  async start({ taxonomy, person }) {
    if (person) {
      this.#session.nameAs(person);
      const annotator = this.#session.part("annotator", HTMLInputElement);
      annotator.value = person;
      annotator.disabled = true;
      annotator.title = "You annotate under your account's name.";
    }
    this.#session.labels = new Map(taxonomy.labels.map((label) => [label.id, label]));
    this.#session.severities = taxonomy.severities;
    this.#pane.offer(taxonomy);
    this.#queue.offer(
      "label",
      taxonomy.labels.map(({ id, name }) => [id, name]),
    );
    this.#queue.offer(
      "severity",
      taxonomy.severities.map(({ id }) => [id, id]),
    );
    const address = new URL(window.location.href).searchParams;
    this.#queue.set(filterOf(address));
    this.#showView(address.get("tab") || "cases");
    await this.#queue.load();
    const id = address.get("case");
    if (id) this.#open(id, placeOf(address));
  }

  /**
   * @param {number} number
   * @param {import("../shell/server.js").Reply} reply
   */
  settle(number, reply) {
    this.#session.server.settle(number, reply);
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const page = new AnnotatePage(host);
  let hasStarted = false;
  return (/** @type {{ number?: number, reply?: string }} */ { number, reply }) => {
    if (!reply) return;
    if (number) page.settle(number, JSON.parse(reply));
    else if (!hasStarted) {
      hasStarted = true;
      page.start(JSON.parse(reply));
    }
  };
}
