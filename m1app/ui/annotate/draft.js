// Unsaved input: stored in the tab at once and in the app a second later; and the time spent.

/** @typedef {import("./session.js").Mark} Mark */

/**
 * The form that the draft belongs to.
 * @typedef {object} DraftForm
 * @property {boolean} isOpen
 * @property {() => Mark} read
 * @property {HTMLElement} state Shows the state of the draft.
 */

const DRAFT_MS = 1000;
const IDLE_MS = 60_000;
const SECONDS_KEPT = 30;
const SECONDS_WORTH_SENDING = 5;

/**
 * The draft to restore: the tab's, else the app's.
 * @param {string | null} inTab As JSON.
 * @param {Partial<Mark> | null} kept
 * @returns {Partial<Mark> | null}
 */
export function draftToOpen(inTab, kept) {
  return JSON.parse(inTab || "null") || (kept?.part ? kept : null);
}

export class Draft {
  #form;
  #session;
  #seconds = 0;
  #movedAt = 0;
  #isKept = true;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** The current case; empty if there is none. */
  caseId = "";

  /**
   * @param {import("./session.js").Session} session
   * @param {DraftForm} form
   */
  constructor(session, form) {
    this.#session = session;
    this.#form = form;
    const { signal } = session;
    for (const kind of ["pointermove", "pointerdown", "keydown", "wheel"]) {
      const onMove = () => {
        this.#movedAt = Date.now();
      };
      document.addEventListener(kind, onMove, { passive: true, signal });
    }
    const ticking = setInterval(() => this.#tick(), 1000);
    signal.addEventListener("abort", () => clearInterval(ticking));
    document.addEventListener("visibilitychange", () => document.hidden && this.flush(), { signal });
    window.addEventListener("pagehide", () => this.flush(), { signal });
  }

  get #key() {
    return `m1-annotate-draft ${this.caseId} ${this.#session.name}`;
  }

  /**
   * @param {string} caseId
   * @param {Partial<Mark> | null} kept
   */
  open(caseId, kept) {
    this.caseId = caseId;
    this.#isKept = true;
    return draftToOpen(sessionStorage.getItem(this.#key), kept);
  }

  /** Something was typed. */
  touch() {
    if (!this.caseId) return;
    this.#isKept = false;
    sessionStorage.setItem(this.#key, JSON.stringify(this.#values));
    this.#form.state.textContent = "";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#send(), DRAFT_MS);
  }

  get #values() {
    return this.#form.isOpen ? this.#form.read() : {};
  }

  #tick() {
    const isInUse = !document.hidden && Date.now() - this.#movedAt < IDLE_MS;
    if (!this.caseId || !this.#session.name || !isInUse) return;
    this.#seconds += 1;
    if (this.#seconds >= SECONDS_KEPT) this.#send();
  }

  flush() {
    if (!this.#isKept || this.#seconds >= SECONDS_WORTH_SENDING) this.#send();
  }

  /** The form is empty again: saved or cancelled. */
  clear() {
    if (!this.caseId) return;
    sessionStorage.removeItem(this.#key);
    this.#isKept = false;
    this.#send();
  }

  async #send() {
    clearTimeout(this.#timer);
    if (!this.caseId || !this.#session.name) return;
    const [key, seconds, values] = [this.#key, this.#seconds, this.#values];
    this.#seconds = 0;
    this.#isKept = true;
    const reply = await this.#session.ask("draft", { case: this.caseId, draft: values, seconds });
    if (reply.error) {
      this.#seconds += seconds;
      this.#isKept = false;
      const message = `The draft is saved in this tab only: ${reply.error.message}`;
      if (this.#form.isOpen) this.#form.state.textContent = message;
      return;
    }
    if (key === this.#key && this.#isKept) {
      sessionStorage.removeItem(key);
      this.#form.state.textContent = this.#form.isOpen ? "Draft saved." : "";
    }
  }
}
