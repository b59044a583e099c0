// The samples tab: a list that is searched and filtered, one sample, pairs, charts, and changes saved together.
import { all, button, isNewFor, node, option, partsOf, say, setText } from "../shell/elements.js";
import { inkOf, onGroundChange } from "../shell/plotly.js";
import { number, plural } from "../shell/words.js";
import { askTwice } from "./ask_twice.js";
import { AskForm } from "./sample_asking.js";
import { SampleCard } from "./sample_card.js";
import { drawChart } from "./sample_charts.js";
import { pairNode } from "./sample_pairs.js";
import { ALL, queryOf } from "./sample_query.js";
import { sampleRow, walkRows } from "./sample_rows.js";
import { changeWords, Tray } from "./sample_tray.js";

/** @typedef {import("./sample_card.js").Row} Row */
/** @typedef {import("./sample_tray.js").Change} Change */
/** @typedef {[value: string, label: string][]} Choices */
/** @typedef {import("./sample_charts.js").Chart} Chart */

/**
 * @typedef {object} Page
 * @property {string} set
 * @property {Choices} states
 * @property {Choices} domains
 * @property {Choices} sources
 * @property {Row[]} rows
 * @property {number} offset
 * @property {number} size
 * @property {number} total
 * @property {[lengths: Chart, domains: Chart]} charts
 * @property {string[]} domain_list To choose from.
 */

/** @typedef {{ offset: number, total: number, size: number, pairs: import("./sample_pairs.js").Pair[] }} Pairs */

/**
 * @typedef {object} Reply
 * @property {string} [error]
 * @property {string} [field]
 * @property {boolean} [may_keep]
 * @property {Page} [page]
 * @property {import("./sample_card.js").Sample} [sample]
 * @property {Pairs} [pairs]
 * @property {Change} [checked]
 * @property {string} [made] Id of the new version.
 * @property {string} [said]
 * @property {string[]} [models]
 * @property {string[]} [question_sets]
 * @property {string} [estimate]
 * @property {string} [job] Id of one that was started.
 * @property {string} [job_name]
 */

/** @typedef {{ sets?: Choices, number?: number, reply?: Reply }} SamplesValue */

const TYPING_MS = 250;
const PAIRS = 5;

class SamplesTab {
  #element;
  #part;
  #trigger;
  #filters;
  #ink;
  #card;
  #asking;
  #tray = new Tray(window.sessionStorage);
  #asked = 0;
  #awaited = "";
  #set = new URL(window.location.href).searchParams.get("set") ?? "";
  #isOpen = false;
  #isSeen = false;
  #offset = 0;
  #pairsOffset = 0;
  /** @type {Page | null} */
  #page = null;
  /** Keys of the rows that are picked. @type {Map<string, string>} */
  #picked = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element, trigger, signal }) {
    this.#element = element;
    this.#part = partsOf(element);
    this.#trigger = trigger;
    this.#filters = this.#part("filters", HTMLFormElement);
    this.#ink = inkOf(element);
    this.#card = new SampleCard(element, {
      check: (change) => this.#ask("check", { change }),
      pending: (key) => this.#tray.get(key),
    });
    this.#asking = new AskForm(element, () => this.#set, {
      offers: () => this.#ask("models"),
      job: (recipe, isEstimate) => this.#ask("job", { recipe, is_estimate: isEstimate }),
    });
    this.#wireList();
    this.#wireTray();
    this.#wirePairs();
    onGroundChange(() => this.#draw(true), signal);
    // A version is read only once somebody looks at it.
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      this.#isSeen = true;
      this.#open();
    });
    seen.observe(element);
    signal.addEventListener("abort", () => seen.disconnect());
  }

  #wireList() {
    const part = this.#part;
    part("sets").addEventListener("change", () => {
      this.#set = part("sets", HTMLSelectElement).value;
      this.#isOpen = false;
      this.#open();
    });
    this.#filters.addEventListener("submit", (event) => event.preventDefault());
    this.#filters.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#list(0), TYPING_MS);
    });
    part("back").addEventListener("click", () => this.#list(this.#offset - (this.#page?.size ?? 0)));
    part("on").addEventListener("click", () => this.#list(this.#offset + (this.#page?.size ?? 0)));
    const rows = part("rows");
    rows.addEventListener("click", ({ target }) => {
      const row = target instanceof Element && !target.closest("input") ? target.closest("tr[data-key]") : null;
      if (row instanceof HTMLElement) this.#ask("sample", { key: row.dataset.key });
    });
    rows.addEventListener("keydown", (event) => walkRows(rows, event));
    part("charts-box").addEventListener("toggle", () => this.#draw(false));
  }

  #wireTray() {
    const part = this.#part;
    const form = part("exclude-form", HTMLFormElement);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const reason = String(new FormData(form).get("reason")).trim();
      if (!reason) {
        say(part("notice"), "Enter a short reason for leaving them out. It is recorded in the card.");
        return;
      }
      for (const [key, question] of this.#picked) this.#tray.add({ kind: "exclude", key, reason }, question);
      this.#picked.clear();
      form.reset();
      this.#showRows();
      this.#showTray();
    });
    part("save").addEventListener("click", () => {
      this.#ask("save", { changes: this.#tray.all.map((each) => each.change) });
      part("save", HTMLButtonElement).disabled = true;
    });
    askTwice(part("discard"), "Discard all changes?", () => {
      this.#tray.clear();
      this.#showTray();
    });
  }

  #wirePairs() {
    const part = this.#part;
    part("pairs-box").addEventListener("toggle", () => {
      if (part("pairs-box", HTMLDetailsElement).open && !part("pairs").childElementCount) this.#askPairs(0);
    });
    part("pairs-back").addEventListener("click", () => this.#askPairs(this.#pairsOffset - PAIRS));
    part("pairs-on").addEventListener("click", () => this.#askPairs(this.#pairsOffset + PAIRS));
  }

  /**
   * @param {string} action
   * @param {object} [values]
   */
  #ask(action, values) {
    this.#asked += 1;
    this.#awaited = action;
    say(this.#part("notice"), "");
    this.#trigger("ask", { number: this.#asked, action, set: this.#set, ...values });
  }

  #open() {
    if (this.#isOpen || !this.#isSeen || !this.#set) return;
    this.#isOpen = true;
    this.#picked.clear();
    this.#tray.open(this.#set);
    this.#card.show(null);
    this.#part("pairs").replaceChildren();
    this.#part("pairs-box", HTMLDetailsElement).open = false;
    this.#showTray();
    const query = new URL(window.location.href).searchParams;
    if (query.get("tab") === "samples" && query.get("set") !== this.#set) {
      query.set("set", this.#set);
      window.history.replaceState(null, "", `?${query}`);
    }
    this.#list(0);
  }

  /** @param {number} offset */
  #list(offset) {
    const values = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(this.#filters)));
    this.#ask("page", { query: queryOf(values, Math.max(0, offset)) });
  }

  /** @param {number} offset */
  #askPairs(offset) {
    say(this.#part("pairs-said"), "Comparing the questions…");
    this.#ask("pairs", { offset: Math.max(0, offset) });
  }

  /** @param {Choices} sets */
  #showSets(sets) {
    const part = this.#part;
    part("empty").hidden = sets.length > 0;
    part("work").hidden = !sets.length;
    part("sets-field").hidden = !sets.length;
    const select = part("sets", HTMLSelectElement);
    if (!sets.some(([id]) => id === this.#set)) {
      // A name without a version is its newest one.
      const named = sets.find(([id]) => this.#set && id.startsWith(`${this.#set}:`));
      this.#set = (named ?? sets[0])?.[0] ?? "";
      this.#isOpen = false;
    }
    if (isNewFor(select, sets)) select.replaceChildren(...sets.map(([id, label]) => option(id, label)));
    select.value = this.#set;
    this.#open();
  }

  /** @param {Page} page */
  #showPage(page) {
    this.#page = page;
    this.#offset = page.offset;
    this.#offer("state", page.states);
    this.#offer("domain", [[ALL, "All"], ...page.domains]);
    this.#offer("source", [[ALL, "All"], ...page.sources]);
    const domains = this.#part("domain-list");
    if (isNewFor(domains, page.domain_list)) {
      domains.replaceChildren(...page.domain_list.map((each) => option(each, each)));
    }
    this.#showRows();
    const last = Math.min(page.offset + page.rows.length, page.total);
    const place = page.rows.length ? `${number(page.offset + 1)} – ${number(last)} of ${number(page.total)}` : "";
    setText(this.#part("place"), place);
    this.#part("back", HTMLButtonElement).disabled = page.offset === 0;
    this.#part("on", HTMLButtonElement).disabled = last >= page.total;
    this.#part("pager").hidden = !page.total;
    say(this.#part("none"), page.total ? "" : "No samples match. Use fewer words, or widen the filters.");
    setText(this.#part("lengths-said"), page.charts[0].said);
    this.#draw(false);
  }

  /**
   * @param {string} name
   * @param {Choices} choices
   */
  #offer(name, choices) {
    const select = this.#filters.elements.namedItem(name);
    if (!(select instanceof HTMLSelectElement) || !isNewFor(select, choices)) return;
    const chosen = select.value;
    select.replaceChildren(...choices.map(([value, label]) => option(value, label)));
    if (choices.some(([value]) => value === chosen)) select.value = chosen;
  }

  #showRows() {
    const rows = this.#page?.rows ?? [];
    const focused = document.activeElement?.closest("tr[data-key]");
    const key = focused instanceof HTMLElement && this.#element.contains(focused) ? focused.dataset.key : "";
    this.#part("rows").replaceChildren(...rows.map((each) => this.#row(each)));
    this.#part("table").hidden = !rows.length;
    if (key) all(this.#part("rows"), `tr[data-key="${key}"] button`, HTMLElement)[0]?.focus({ preventScroll: true });
    this.#showExclude();
  }

  /** @param {Row} each */
  #row(each) {
    const pending = this.#tray.get(each.key);
    const state = {
      isChosen: each.key === this.#card.key,
      isPicked: this.#picked.has(each.key),
      said: pending ? `Not saved yet. ${changeWords(pending.change)}` : each.why,
    };
    return sampleRow(each, state, (isPicked) => {
      if (isPicked) this.#picked.set(each.key, each.question);
      else this.#picked.delete(each.key);
      this.#showExclude();
    });
  }

  #showExclude() {
    this.#part("exclude-form").hidden = !this.#picked.size;
    setText(this.#part("exclude-chosen"), `Leave out ${plural(this.#picked.size, "sample")}`);
  }

  #showTray() {
    const changes = this.#tray.all;
    this.#part("tray").hidden = !changes.length;
    setText(this.#part("tray-title"), `${plural(changes.length, "change")} not saved yet`);
    this.#part("tray-list").replaceChildren(
      ...changes.map(({ change, question }) => {
        const item = node("li");
        const drop = button("Undo", () => {
          this.#tray.remove(change.key);
          this.#showTray();
        });
        drop.setAttribute("aria-label", `Undo the change to ${change.key}`);
        item.append(node("b", "", changeWords(change)), node("span", "m1-quiet", ` ${question} `), drop);
        return item;
      }),
    );
    this.#part("save", HTMLButtonElement).disabled = false;
    this.#showRows();
    this.#card.showPending();
  }

  /** @param {boolean} isAnew */
  async #draw(isAnew) {
    if (!this.#page || !this.#part("charts-box", HTMLDetailsElement).open) return;
    const [lengths, domains] = this.#page.charts;
    try {
      await drawChart(this.#part("lengths"), lengths, this.#ink, isAnew);
      await drawChart(this.#part("domains"), domains, this.#ink, isAnew);
    } catch (error) {
      say(this.#part("notice"), error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {Pairs} pairs */
  #showPairs({ offset, total, size, pairs }) {
    this.#pairsOffset = offset;
    const open = (/** @type {string} */ key) => this.#ask("sample", { key });
    this.#part("pairs").replaceChildren(...pairs.map((pair) => pairNode(pair, open)));
    const none = "There are no duplicate or near-duplicate questions.";
    say(this.#part("pairs-said"), total ? `${plural(total, "pair")}, closest first.` : none);
    setText(this.#part("pairs-place"), `${number(offset + 1)} – ${number(offset + size)} of ${number(total)}`);
    this.#part("pairs-back", HTMLButtonElement).disabled = offset === 0;
    this.#part("pairs-on", HTMLButtonElement).disabled = offset + size >= total;
    this.#part("pairs-pager").hidden = total <= PAIRS;
  }

  /** @param {Reply} reply */
  #take(reply) {
    if (reply.error) this.#refuse(reply);
    if (reply.page) this.#showPage(reply.page);
    if (reply.sample) {
      this.#card.show(reply.sample);
      for (const row of all(this.#part("rows"), "tr", HTMLElement)) {
        row.classList.toggle("is-chosen", row.dataset.key === reply.sample.key);
      }
      if (window.innerWidth < 900) this.#part("sample").scrollIntoView({ block: "start" });
    }
    if (reply.pairs) this.#showPairs(reply.pairs);
    if (reply.checked) {
      this.#tray.add(reply.checked, this.#card.question);
      this.#card.taken();
      this.#showTray();
    }
    if (reply.models) this.#asking.offer({ models: reply.models, question_sets: reply.question_sets ?? [] });
    if (reply.estimate) this.#asking.say(reply.estimate);
    if (reply.job) this.#asking.started(reply.job, reply.job_name ?? "");
    if (reply.made) {
      this.#tray.clear();
      say(this.#part("made"), reply.said);
      this.#showTray();
      this.#set = reply.made;
      this.#isOpen = false;
    }
  }

  /** @param {Reply} reply */
  #refuse({ error = "", field = "", may_keep = false }) {
    this.#part("save", HTMLButtonElement).disabled = false;
    if (this.#awaited === "check") this.#card.refuse(error, field, may_keep);
    else if (this.#awaited === "job") this.#asking.say(error);
    else say(this.#part("notice"), error);
    if (this.#awaited === "pairs") say(this.#part("pairs-said"), "");
  }

  /** @param {SamplesValue} value */
  show({ sets, number: answered, reply = {} }) {
    if (answered !== undefined && answered >= this.#asked) this.#take(reply);
    if (sets) this.#showSets(sets);
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const tab = new SamplesTab(host);
  return (/** @type {SamplesValue} */ value) => tab.show(value);
}
