// The audit log: a list with filters that grows page by page, and a check of its chain.
import { all, isNewFor, node, option, partsOf, say } from "../shell/elements.js";
import { number, shortTime } from "../shell/words.js";
import { AuditPages, filterOf } from "./audit_pages.js";

/** @typedef {import("./audit_pages.js").AuditEntry} AuditEntry */

/**
 * @typedef {object} AuditReply
 * @property {boolean} [is_opened] The tab was opened: time to ask for entries.
 * @property {string} [error]
 * @property {AuditEntry[]} [rows]
 * @property {boolean} [has_more]
 * @property {[id: string, name: string][]} [people]
 * @property {string} [empty]
 * @property {{ is_good: boolean, text: string }} [check]
 */

/** @typedef {{ action?: string, number?: number, reply?: AuditReply }} AuditValue */

const TYPING_MS = 250;

/** @param {AuditEntry} entry */
function entryRow(entry) {
  const row = node("tr");
  row.dataset.entry = String(entry.number);
  const made = node("td", "m1-quiet-cell m1-audit-when", shortTime(entry.made));
  made.title = entry.made;
  row.append(
    node("td", "m1-number m1-quiet-cell", number(entry.number)),
    made,
    node("td", "m1-audit-who", entry.who),
    node("td", "", entry.action),
    node("td", "m1-audit-id", entry.subject),
    node("td", "", entry.details),
    node("td", "m1-quiet-cell", entry.address),
  );
  return row;
}

class AuditTab {
  #part;
  #trigger;
  #pages = new AuditPages();
  #asked = 0;
  #checked = 0;
  #isFirst = true;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element, trigger }) {
    this.#part = partsOf(element);
    this.#trigger = trigger;
    const filters = this.#part("filters", HTMLFormElement);
    filters.addEventListener("submit", (event) => event.preventDefault());
    filters.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#ask(null), TYPING_MS);
    });
    this.#part("more").addEventListener("click", () => this.#ask(this.#pages.next));
    this.#part("check").addEventListener("click", () => {
      this.#checked += 1;
      this.#showCheck({ text: "Checking…" });
      trigger("ask", { number: this.#checked, action: "check" });
    });
  }

  /** @param {number | null} before */
  #ask(before) {
    this.#asked += 1;
    this.#isFirst = before === null;
    const filter = filterOf(new FormData(this.#part("filters", HTMLFormElement)));
    this.#trigger("ask", { number: this.#asked, action: "page", filter, before });
  }

  /** @param {AuditReply} reply */
  #showPage({ rows = [], has_more = false, people = [], empty = "" }) {
    const part = this.#part;
    const isFirst = this.#isFirst;
    const fresh = this.#pages.take(rows, has_more, isFirst).map(entryRow);
    if (isFirst) part("rows").replaceChildren(...fresh);
    else part("rows").append(...fresh);
    part("table").hidden = !this.#pages.entries.length;
    part("more").hidden = this.#pages.next === null;
    say(part("empty"), isFirst ? empty : "");
    this.#showPeople(people);
  }

  /** @param {[id: string, name: string][]} people */
  #showPeople(people) {
    const choice = all(this.#part("filters"), "select", HTMLSelectElement)[0];
    if (!choice || !isNewFor(choice, people)) return;
    const chosen = choice.value;
    choice.replaceChildren(option("", "All"), ...people.map(([id, name]) => option(id, name)));
    choice.value = chosen;
  }

  /** @param {{ is_good?: boolean, text: string }} check Without `is_good`, nothing is known yet. */
  #showCheck({ is_good, text }) {
    const place = this.#part("checked");
    place.className = is_good === undefined ? "" : is_good ? "m1-good" : "m1-notice";
    say(place, text);
  }

  /** @param {AuditValue} value */
  show({ action, number: answered, reply = {} }) {
    if (reply.is_opened) {
      this.#ask(null);
      return;
    }
    // Pages and checks are numbered apart: neither answer is taken for the other's.
    if (answered === undefined || answered < (action === "check" ? this.#checked : this.#asked)) return;
    if (action === "check") {
      this.#showCheck(reply.check ?? { is_good: false, text: reply.error ?? "" });
      return;
    }
    say(this.#part("notice"), reply.error);
    if (reply.rows) this.#showPage(reply);
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const tab = new AuditTab(host);
  return (/** @type {AuditValue} */ value) => tab.show(value);
}
