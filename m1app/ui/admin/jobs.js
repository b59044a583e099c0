// Jobs: a list updated row by row, so that nothing jumps, and details of one job.
import {
  isNewFor,
  link,
  node,
  partsOf,
  rowOfPlainClick,
  say,
  setMeter,
  setText,
  showFacts,
} from "../shell/elements.js";
import { shortTime } from "../shell/words.js";
import { askTwice } from "./ask_twice.js";
import { ComparedRunsPanel } from "./compared_runs.js";
import { TrainingDetail } from "./fine_tune_progress.js";
import { showLog } from "./log.js";

/** @typedef {import("../shell/elements.js").FindPart} FindPart */
/** @typedef {import("./fine_tune_progress.js").Training} Training */

/**
 * The requested view; a higher number is newer.
 * @typedef {object} View
 * @property {number} number
 * @property {string} state
 * @property {string} text
 * @property {string} job The chosen one's id.
 * @property {string} runs Ids of the marked fine-tunings, with commas; shown side by side while no job is chosen.
 */

/**
 * @typedef {object} JobRow
 * @property {string} id
 * @property {string} name
 * @property {string} [apart] What tells it from others of its name.
 * @property {string} kind
 * @property {string} state
 * @property {number | null} share
 * @property {string} progress
 * @property {number} priority
 * @property {string} created In ISO 8601.
 */

/**
 * @typedef {JobRow & {
 *   message: string, error: string, run: string, results: string, facts: [string, string][], figures: [string, string][],
 *   command: string, artifacts: [name: string, size: string][], log: string, training: Training | null,
 *   can_stop: boolean, can_resume: boolean, can_clone: boolean, can_delete: boolean,
 * }} JobDetail
 */

/**
 * @typedef {object} JobsValue
 * @property {View} [view]
 * @property {string} [notice]
 * @property {JobRow[]} [rows]
 * @property {string} [empty]
 * @property {JobDetail | null} [detail]
 * @property {import("./compared_runs.js").ComparedRuns | null} [compared]
 */

const TYPING_MS = 250;
const ASK_AGAIN_MS = 1000;
/** @type {Record<string, string>} */
const STATES = {
  queued: "Queued",
  running: "Running",
  stopping: "Stopping",
  succeeded: "Succeeded",
  failed: "Failed",
  stopped: "Stopped",
  lost: "Lost",
};
/** @param {string} state */
const stateName = (state) => STATES[state] || state;

/**
 * The query of the address of a job, or of runs side by side; null if it is already current.
 * @param {URL} url
 * @param {string} job
 * @param {string} [runs]
 */
export function queryToSet(url, job, runs = "") {
  const wanted = job ? `?job=${job}` : runs ? `?runs=${runs}` : "";
  const isOther = !url.searchParams.has("job") && !url.searchParams.has("runs");
  return url.search === wanted || (!wanted && isOther) ? null : wanted;
}

/**
 * @param {HTMLElement} meter
 * @param {number | null} share
 */
function showShare(meter, share) {
  setMeter(meter, share ?? 0);
  meter.hidden = share === null;
}

/** A row of the list; the element is reused while its job is shown. */
class Row {
  #link;
  #state = node("span", "m1-badge");
  #meter = node("div", "m1-meter");
  #progress = node("span", "m1-number");
  #created = node("td", "m1-number m1-quiet-cell");
  #apart = node("small", "m1-quiet-cell m1-apart");
  #mark = node("input", "m1-run-mark");

  /** @param {string} id */
  constructor(id) {
    this.root = node("tr");
    this.root.dataset.job = id;
    this.#link = link("", `/admin/?job=${id}`);
    const name = node("td", "m1-stem");
    this.#mark.type = "checkbox";
    name.append(this.#mark, this.#link, this.#apart);
    const state = node("td");
    state.append(this.#state);
    const progress = node("td", "m1-job-cell");
    this.#meter.setAttribute("role", "progressbar");
    progress.append(this.#meter, this.#progress);
    this.root.append(name, state, progress, this.#created);
  }

  /**
   * @param {JobRow} job
   * @param {boolean} isChosen
   * @param {boolean} isMarked
   */
  show(job, isChosen, isMarked) {
    this.#mark.hidden = job.kind !== "fine-tuning";
    this.#mark.checked = isMarked;
    this.#mark.setAttribute("aria-label", `Mark ${job.name} to compare it`);
    setText(this.#link, job.name);
    setText(this.#apart, job.apart ?? "");
    this.#meter.setAttribute("aria-label", `Progress of ${job.name}`);
    setText(this.#state, stateName(job.state));
    this.#state.dataset.state = job.state;
    showShare(this.#meter, job.share);
    setText(this.#progress, job.progress || (job.priority ? `priority ${job.priority}` : ""));
    setText(this.#created, shortTime(job.created));
    this.root.classList.toggle("is-chosen", isChosen);
    if (isChosen) this.#link.setAttribute("aria-current", "true");
    else this.#link.removeAttribute("aria-current");
  }
}

class Detail {
  #part;
  #training;
  /** @type {JobDetail | null} */
  job = null;

  /** @param {import("../shell/elements.js").Host} host */
  constructor(host) {
    this.#part = partsOf(host.element);
    this.#training = new TrainingDetail(host);
  }

  /** @param {JobDetail | null} job */
  show(job) {
    const part = this.#part;
    part("job").hidden = !job;
    const isNew = job?.id !== this.job?.id;
    this.job = job;
    if (!job) return;
    setText(part("name"), job.name);
    setText(part("state"), stateName(job.state));
    part("state").dataset.state = job.state;
    showShare(part("meter"), job.share);
    for (const name of /** @type {const} */ (["progress", "message", "error", "command"])) say(part(name), job[name]);
    part("results").hidden = !job.results;
    part("results", HTMLAnchorElement).href = job.results;
    for (const name of /** @type {const} */ (["stop", "resume", "clone", "delete"])) {
      part(name).hidden = !job[`can_${name}`];
    }
    const priority = part("priority", HTMLInputElement);
    if (isNew || document.activeElement !== priority) priority.value = String(job.priority);
    showFacts(part("facts"), [...job.facts, ...job.figures]);
    part("command-box").hidden = !job.command;
    this.#training.show(job.training ?? null);
    this.#showFiles(job);
    part("log-link", HTMLAnchorElement).href = `/admin/jobs/${job.id}/log.txt`;
    showLog(part("log"), job.log || "Nothing yet.", isNew);
  }

  /** @param {JobDetail} job */
  #showFiles({ id, artifacts }) {
    const files = this.#part("files");
    if (!isNewFor(files, [id, artifacts])) return;
    this.#part("files-box").hidden = !artifacts.length;
    const items = artifacts.map(([name, size]) => {
      const item = node("li");
      const path = name.split("/").map(encodeURIComponent).join("/");
      const file = link(name, `/admin/jobs/${id}/artifacts/${path}`);
      file.download = "";
      item.append(file, node("span", "m1-quiet-cell", ` ${size}`));
      return item;
    });
    files.replaceChildren(...items);
  }
}

class JobsTab {
  #part;
  #trigger;
  #detail;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {View} */
  #view = { number: 0, state: "", text: "", job: "", runs: "" };
  #compared;
  #stateBox;
  #textBox;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #asking;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /** @param {import("../shell/elements.js").Host} host */
  constructor(host) {
    this.#part = partsOf(host.element);
    this.#trigger = host.trigger;
    this.#detail = new Detail(host);
    this.#compared = new ComparedRunsPanel(host);
    const filters = this.#part("filters", HTMLFormElement);
    this.#stateBox = /** @type {HTMLSelectElement} */ (filters.elements.namedItem("state"));
    this.#textBox = /** @type {HTMLInputElement} */ (filters.elements.namedItem("text"));
    filters.addEventListener("submit", (event) => event.preventDefault());
    this.#stateBox.addEventListener("change", () => this.#look({ state: this.#stateBox.value }));
    this.#textBox.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#look({ text: this.#textBox.value }), TYPING_MS);
    });
    this.#wireRows();
    this.#wireDetail();
  }

  #wireRows() {
    const rows = this.#part("rows");
    rows.addEventListener("click", (event) => {
      if (event.target instanceof HTMLInputElement) return;
      const row = rowOfPlainClick(event, "tr[data-job]");
      if (!row) return;
      this.#look({ job: row.dataset.job ?? "" });
      const isNarrow = window.matchMedia("(max-width: 1000px)").matches;
      if (isNarrow) this.#part("detail").scrollIntoView({ block: "start" });
    });
    rows.addEventListener("change", (event) => {
      const row = event.target instanceof HTMLInputElement ? event.target.closest("tr") : null;
      if (row) this.#mark(row.dataset.job ?? "");
    });
    this.#part("side-by-side").addEventListener("click", () => this.#look({ job: "" }));
    this.#part("unmark").addEventListener("click", () => this.#look({ runs: "" }));
    rows.addEventListener("keydown", (event) => {
      const row = event.target instanceof Element ? event.target.closest("tr") : null;
      const next =
        event.key === "ArrowDown"
          ? row?.nextElementSibling
          : event.key === "ArrowUp"
            ? row?.previousElementSibling
            : null;
      if (!next) return;
      event.preventDefault();
      next.querySelector("a")?.focus();
    });
  }

  #wireDetail() {
    const part = this.#part;
    const priority = part("priority", HTMLInputElement);
    part("stop").addEventListener("click", () => this.#act("stop"));
    part("resume").addEventListener("click", () => this.#act("resume"));
    part("clone").addEventListener("click", () => {
      const { job } = this.#detail;
      if (job) this.#trigger("clone", { run: job.run, job: job.id, view: this.#view });
    });
    priority.addEventListener("change", () =>
      this.#act("priority", priority.value.trim() === "" ? 0 : priority.valueAsNumber),
    );
    part("tuned-benchmark").addEventListener("click", () =>
      this.#trigger("benchmark", { models: this.#detail.job?.training?.tuned?.models }),
    );
    askTwice(part("delete"), "Move it and its files to the trash?", () => this.#act("delete"));
  }

  /**
   * Marks a run, or takes its mark away.
   * @param {string} id
   */
  #mark(id) {
    const marked = runsOf(this.#view);
    const runs = marked.includes(id) ? marked.filter((each) => each !== id) : [...marked, id];
    this.#look({ runs: runs.join(","), job: runs.length > 1 ? "" : this.#view.job });
  }

  #showAddress() {
    const url = new URL(window.location.href);
    const query = queryToSet(url, this.#view.job, this.#view.runs);
    if (query === null) return;
    url.search = query;
    window.history.replaceState(null, "", url);
  }

  /** @param {Partial<View>} changes */
  #look(changes) {
    this.#view = { ...this.#view, ...changes, number: this.#view.number + 1 };
    say(this.#part("notice"), "");
    this.#trigger("look", this.#view);
    this.#showAddress();
  }

  /**
   * @param {string} action
   * @param {number} [value]
   */
  #act(action, value) {
    this.#view = { ...this.#view, number: this.#view.number + 1 };
    say(this.#part("notice"), "");
    this.#trigger("act", { action, job: this.#view.job, value, view: this.#view });
  }

  /** @param {JobRow[]} jobs */
  #showRows(jobs) {
    const body = this.#part("rows");
    const marked = runsOf(this.#view);
    const before = this.#rows;
    this.#rows = new Map(jobs.map((job) => [job.id, before.get(job.id) ?? new Row(job.id)]));
    for (const [id, row] of before) {
      if (!this.#rows.has(id)) row.root.remove();
    }
    jobs.forEach((job, place) => {
      const row = this.#rows.get(job.id);
      if (!row) return;
      row.show(job, job.id === this.#view.job, marked.includes(job.id));
      if (body.children[place] !== row.root) body.insertBefore(row.root, body.children[place] || null);
    });
    this.#part("table").hidden = !jobs.length;
  }

  /** @param {JobsValue} value */
  show(value) {
    const shown = value.view || this.#view;
    clearTimeout(this.#asking);
    // Replies to concurrent requests may arrive out of order; the page then requests the newest view again.
    if (shown.number < this.#view.number) {
      this.#asking = setTimeout(() => this.#trigger("look", this.#view), ASK_AGAIN_MS);
      return;
    }
    if (shown.number > this.#view.number || shown.job !== this.#view.job || shown.runs !== this.#view.runs) {
      this.#view = { ...shown };
      this.#stateBox.value = shown.state;
      this.#textBox.value = shown.text;
      this.#showAddress();
    }
    if (value.notice !== undefined) say(this.#part("notice"), value.notice);
    if (!value.rows) return;
    this.#showRows(value.rows);
    say(this.#part("empty"), value.empty);
    this.#detail.show(value.detail ?? null);
    this.#compared.show(value.compared ?? null);
    this.#part("none").hidden = Boolean(value.detail || value.compared);
    this.#showMarked();
  }

  #showMarked() {
    const count = runsOf(this.#view).length;
    this.#part("marked").hidden = !count;
    setText(this.#part("marked-said"), count < 2 ? "1 run marked; mark another to compare." : `${count} runs marked.`);
    this.#part("side-by-side").hidden = count < 2 || !this.#view.job;
  }
}

/** @param {View} view */
const runsOf = (view) => view.runs.split(",").filter(Boolean);

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const tab = new JobsTab(host);
  return (/** @type {JobsValue} */ value) => tab.show(value);
}
