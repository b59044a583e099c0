// Corpora: a list, adding a file, passages with search. Files go to a separate route.
import { button, node, partsOf, say } from "../shell/elements.js";
import { number } from "../shell/words.js";
import { askTwice } from "./ask_twice.js";
import { BrowsedList } from "./browsed_list.js";
import { overlapNode } from "./overlap_node.js";
import { upload } from "./upload.js";

/**
 * @typedef {object} VectorsOf
 * @property {string} short How many passages have one, for the list.
 * @property {string} said
 * @property {boolean} is_running
 * @property {boolean} can_make
 * @property {boolean} can_delete
 */
/** @typedef {{ id: string, name: string, passages: number, licence: string, source: string, vectors: VectorsOf }} CorpusRow */
/** @typedef {{ heading: string, text: string, place: string }} ShownPassage */
/** @typedef {import("./overlap_node.js").Overlap} Overlap */

/** @typedef {import("./browsed_list.js").Entry & { passages: ShownPassage[] }} Preview */

/** @typedef {{ done: string, notes: string[] }} Report */

/**
 * @typedef {object} Reply
 * @property {string} [error]
 * @property {string} [progress] How far an import has come; empty if none is under way.
 * @property {Preview} [preview]
 * @property {string} [extent]
 * @property {{ id: string, deletion: string, said: string }} [deleted]
 * @property {string} [restored]
 * @property {Overlap[]} [overlaps]
 * @property {string} [no_overlap] What to say without any.
 */

/**
 * @typedef {object} CorpusValue
 * @property {CorpusRow[]} [rows]
 * @property {string} [facts]
 * @property {number} [number] Number of the request that this answers.
 * @property {Reply} [reply]
 */

const PROGRESS_MS = 1500;

class CorpusTab {
  #part;
  #trigger;
  /** @type {BrowsedList<Preview>} */
  #list;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #waiting;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #looking;
  /** @type {CorpusRow[]} */
  #rows = [];

  /** @param {import("../shell/elements.js").Host} host */
  constructor(host) {
    const { element, trigger, signal } = host;
    this.#part = partsOf(element);
    this.#trigger = trigger;
    this.#list = new BrowsedList(host, { entry: "corpus", items: "passages" });
    signal.addEventListener("abort", () => {
      clearInterval(this.#waiting);
      clearTimeout(this.#looking);
    });
    this.#wireFile();
    this.#wireChosen();
  }

  #wireFile() {
    const form = this.#part("file-form", HTMLFormElement);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { file, name, licence } = /** @type {any} */ (Object.fromEntries(new FormData(form)));
      this.#part("report").replaceChildren();
      say(this.#part("notice"), "");
      upload(
        "corpus",
        file,
        { name, licence },
        {
          busy: (text) => this.#busy(text),
          notice: (text) => this.#list.refuse(text),
          done: (report) => {
            this.#showReport(report);
            form.reset();
            this.#list.ask("list");
          },
        },
      );
    });
  }

  #wireChosen() {
    const [part, list] = [this.#part, this.#list];
    part("overlaps").addEventListener("click", () => {
      list.askOfChosen("overlaps");
      this.#busy("Comparing all passages…");
    });
    part("make-vectors").addEventListener("click", () => list.askOfChosen("make_vectors"));
    part("stop-vectors").addEventListener("click", () => list.askOfChosen("stop_vectors"));
    askTwice(part("delete-vectors"), "Delete them?", () => list.askOfChosen("delete_vectors"));
  }

  /**
   * Say what is going on; a file that is being read is asked about until it is done.
   * @param {string} text
   */
  #busy(text) {
    this.#list.busy(text);
    clearInterval(this.#waiting);
    this.#waiting = text.startsWith("Reading ")
      ? setInterval(() => this.#list.ask("progress"), PROGRESS_MS)
      : undefined;
  }

  /** @param {CorpusRow[]} corpora */
  #showList(corpora) {
    this.#rows = corpora;
    const none =
      "No corpus yet. Add a text, Markdown, PDF, JSON lines or CSV file, or a .zip of such files, to search its passages.";
    this.#list.showRows(
      corpora.map((each) => this.#row(each)),
      none,
    );
    this.#part("vectors-head").hidden = !corpora.some((each) => each.vectors.short);
    this.#showVectors();
    clearTimeout(this.#looking);
    if (corpora.some((each) => each.vectors.is_running)) {
      this.#looking = setTimeout(() => this.#trigger("ask", { number: 0, action: "list" }), PROGRESS_MS);
    }
  }

  /** @param {CorpusRow} each */
  #row(each) {
    const passages = node("td", "m1-number", number(each.passages));
    const vectors = node("td", "m1-number", each.vectors.short);
    vectors.hidden = !this.#rows.some((other) => other.vectors.short);
    const licence = node("td", "", each.licence);
    return this.#list.row(each, passages, vectors, licence, node("td", "m1-quiet-cell m1-from", each.source));
  }

  #showVectors() {
    const part = this.#part;
    const vectors = this.#rows.find((each) => each.id === this.#list.chosen?.id)?.vectors;
    say(part("vectors-said"), vectors?.said ?? "");
    part("make-vectors").hidden = !vectors?.can_make;
    part("stop-vectors").hidden = !vectors?.is_running;
    part("delete-vectors").hidden = !vectors?.can_delete;
  }

  /** @param {Report} report */
  #showReport({ done, notes }) {
    this.#part("report").replaceChildren(
      ...(done ? [node("p", "m1-good", done)] : []),
      ...notes.map((text) => node("p", "", text)),
    );
  }

  /** @param {{ id: string, deletion: string, said: string }} deleted */
  #showDeleted({ id, deletion, said }) {
    if (id === this.#list.chosen?.id) this.#showPreview(null);
    const line = node("p", "", `${said} `);
    const undo = button("Undo", () => this.#list.ask("restore", { deletion }));
    line.append(undo);
    this.#part("report").replaceChildren(line);
    undo.focus({ preventScroll: true });
  }

  /** @param {Preview | null} value */
  #showPreview(value) {
    const part = this.#part;
    if (value?.id !== this.#list.chosen?.id) part("overlap-report").replaceChildren();
    this.#list.show(value, value?.passages.map(passageNode));
    if (!value) return;
    this.#showVectors();
    part("use", HTMLAnchorElement).href = `/strategies/?corpus=${encodeURIComponent(value.name)}`;
  }

  /**
   * @param {Overlap[]} overlaps
   * @param {string} [without] What to say if there are none.
   */
  #showOverlaps(overlaps, without) {
    const none = node("p", "m1-quiet", without);
    this.#part("overlap-report").replaceChildren(...(overlaps.length ? overlaps.map(overlapNode) : [none]));
  }

  /** @param {CorpusValue} value */
  show({ rows, facts, number: answered, reply = {} }) {
    if (rows) this.#showList(rows);
    if (facts !== undefined) say(this.#part("facts-said"), facts);
    if (!this.#list.isLatest(answered)) return;
    if (reply.progress !== undefined) {
      if (this.#waiting !== undefined && reply.progress) say(this.#part("busy"), reply.progress);
      return;
    }
    if (this.#waiting === undefined) this.#busy("");
    const notice = reply.error ?? reply.extent;
    if (notice) this.#list.refuse(notice);
    if (reply.preview) this.#showPreview(reply.preview);
    if (reply.deleted) this.#showDeleted(reply.deleted);
    if (reply.restored) this.#part("report").replaceChildren(node("p", "m1-good", reply.restored));
    if (reply.overlaps) this.#showOverlaps(reply.overlaps, reply.no_overlap);
  }
}

/** @param {ShownPassage} passage */
function passageNode({ heading, text, place }) {
  const item = node("li");
  if (heading) item.append(node("p", "m1-passage-heading", heading));
  item.append(node("p", "m1-passage-text", text), node("p", "m1-quiet", place));
  return item;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const tab = new CorpusTab(host);
  return (/** @type {CorpusValue} */ value) => tab.show(value);
}
