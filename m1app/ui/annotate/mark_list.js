// The marks of a case: your own, suggested ones, and, after you submit, everyone's.
import { button, link, node } from "../shell/elements.js";
import { plural } from "../shell/words.js";
import { twice } from "./session.js";
import { historyList, markBody, stateChip } from "./words.js";

/** @typedef {import("./session.js").SavedMark} SavedMark */
/** @typedef {import("./session.js").Suggestion} Suggestion */
/** @typedef {import("./session.js").Work} Work */
/** @typedef {import("./words.js").Revision} Revision */

/**
 * Actions of the list's buttons.
 * @typedef {object} MarkActs
 * @property {(mark: SavedMark) => void} jump
 * @property {(mark: SavedMark) => void} edit
 * @property {(mark: SavedMark) => void} withdraw
 * @property {(mark: SavedMark) => Promise<Revision[] | undefined>} history
 * @property {(suggestion: Suggestion) => void} accept
 * @property {(suggestion: Suggestion) => void} reject
 * @property {() => void} submit
 * @property {() => boolean} isEditing Whether a mark is not saved yet: a case with one has an error.
 * @property {(mark: SavedMark) => void} agree
 * @property {(form: HTMLElement, action: string, mark: SavedMark, values: object) => void} judge
 */

const LISTED = 200;

export class MarkList {
  #session;
  #act;
  #limit = LISTED;
  /** @type {Map<string, { said: string, card: HTMLElement }>} */
  #cards = new Map();
  /** @type {Work | null} */
  #work = null;
  #title = node("h3");
  #list = node("ol", "m1-mark-list");
  #none = node("p", "m1-quiet", "No marks yet. If a case has no errors, submit it without marks.");
  #all = button("", () => this.#showAll());

  /**
   * @param {import("./session.js").Session} session
   * @param {MarkActs} act
   */
  constructor(session, act) {
    this.#session = session;
    this.#act = act;
    session.part("own").append(this.#title, this.#list, this.#none, this.#all);
  }

  /** @param {Work} work */
  show(work) {
    this.#work = work;
    this.#showOwn(work);
    this.#showSuggestions(work);
    this.#showSubmit(work);
    this.#showReview(work);
  }

  #showAll() {
    this.#limit = Number.POSITIVE_INFINITY;
    if (this.#work) this.#showOwn(this.#work);
  }

  /** @param {Work} work */
  #showOwn({ own }) {
    this.#arrange(own.slice(0, this.#limit).map((mark) => this.#kept(mark)));
    this.#title.textContent = `My marks (${own.length})`;
    this.#none.hidden = own.length > 0;
    this.#all.hidden = own.length <= this.#limit;
    this.#all.textContent = `Show all ${own.length}`;
  }

  /**
   * Cards already in place are not moved: relayout of hundreds of cards would be noticeable.
   * @param {HTMLElement[]} cards
   */
  #arrange(cards) {
    /** @type {Set<Element>} */
    const wanted = new Set(cards);
    for (const card of [...this.#list.children]) {
      if (!wanted.has(card)) card.remove();
    }
    cards.forEach((card, i) => {
      if (this.#list.children[i] !== card) this.#list.insertBefore(card, this.#list.children[i] || null);
    });
  }

  /** @param {SavedMark} mark */
  #kept(mark) {
    const said = JSON.stringify(mark);
    const known = this.#cards.get(mark.id);
    if (known?.said === said) return known.card;
    const card = this.#ownCard(mark);
    this.#cards.set(mark.id, { said, card });
    return card;
  }

  /** @param {SavedMark} mark */
  #body(mark) {
    return markBody(mark, this.#act.jump, (id) => this.#session.labelName(id));
  }

  /** @param {SavedMark} mark */
  #card(mark) {
    const card = node("li", "m1-mark-card");
    card.dataset.mark = mark.id;
    card.append(this.#body(mark));
    const stale = "The text has changed since then; these words are no longer at this position.";
    if (mark.is_stale) card.append(node("p", "m1-problem", stale));
    return card;
  }

  /** @param {SavedMark} mark */
  #ownCard(mark) {
    const card = this.#card(mark);
    const row = node("div", "m1-mark-buttons");
    const withdraw = () => this.#act.withdraw(mark);
    row.append(
      stateChip(mark),
      button("Edit", () => this.#act.edit(mark), `Edit: ${mark.exact}`),
    );
    row.append(twice("Withdraw", "Press again to withdraw", withdraw, `Withdraw: ${mark.exact}`));
    row.append(this.#historyButton(mark, card), ...testLink(mark));
    card.append(row);
    return card;
  }

  /**
   * @param {SavedMark} mark
   * @param {HTMLElement} card
   */
  #historyButton(mark, card) {
    const toggle = async () => {
      const shown = card.querySelector(".m1-revisions");
      if (shown) {
        shown.remove();
        return;
      }
      const revisions = await this.#act.history(mark);
      if (revisions) card.append(historyList(revisions));
    };
    return button(`History (${mark.revision})`, toggle, `History: ${mark.exact}`);
  }

  /** @param {Work} work */
  #showSuggestions({ suggestions }) {
    const cards = suggestions.map((each) => {
      const card = node("div", "m1-suggestion");
      const name = this.#session.labelName(each.label);
      const row = node("div", "m1-mark-buttons");
      row.append(button("Accept and edit", () => this.#act.accept(each), `Accept and edit: ${name}`));
      row.append(button("Reject", () => this.#act.reject(each), `Reject: ${name}`));
      card.append(node("b", "", "Suggested, not yet decided"), this.#body(each.mark));
      card.append(node("p", "m1-mark-text", each.reason), row);
      return card;
    });
    const head = cards.length ? [node("h3", "", `Suggestions (${cards.length})`)] : [];
    this.#session.part("suggestions").replaceChildren(...head, ...cards);
  }

  /** @param {Work} work */
  #showSubmit({ own, is_submitted: isSubmitted, hidden }) {
    const parts = [];
    if (isSubmitted) parts.push(node("p", "m1-done", "✓ You have submitted this case."));
    if (!isSubmitted || own.some((mark) => mark.state === "draft")) {
      const submit = () => this.#act.submit();
      const made = own.length
        ? button("Submit case", submit)
        : twice("Submit case", "Press again to confirm: no errors found", submit, "", this.#act.isEditing);
      made.classList.add("is-primary");
      parts.push(made);
    }
    if (!isSubmitted && !own.length)
      parts.push(node("p", "m1-quiet", "Submitting without marks means that you found no errors."));
    if (hidden) {
      const others = plural(hidden, "other has", "others have");
      parts.push(node("p", "m1-quiet", `${others} submitted; you will see their marks after you submit.`));
    }
    this.#session.part("submit").replaceChildren(...parts, problemLine("submit"));
  }

  /** @param {Work} work */
  #showReview({ others, own, reviewers, is_submitted: isSubmitted }) {
    const review = this.#session.part("review");
    if (!isSubmitted) {
      review.replaceChildren();
      return;
    }
    /** @type {Map<string, SavedMark[]>} */
    const byName = new Map([[`${this.#session.name} (you)`, own]]);
    for (const name of reviewers) byName.set(name, []);
    for (const mark of others) byName.set(mark.annotator, [...(byName.get(mark.annotator) ?? []), mark]);
    const columns = [...byName].map(([name, marks]) => {
      const column = node("section", "m1-review-column");
      column.setAttribute("aria-label", `Marks of ${name}`);
      const list = node("ol", "m1-mark-list");
      list.append(...marks.slice(0, LISTED).map((mark) => this.#reviewCard(mark)));
      column.append(node("h4", "", `${name}: ${plural(marks.length, "mark")}`), list);
      return column;
    });
    const strip = node("div", "m1-review");
    strip.append(...columns);
    const none = byName.size > 1 ? [] : [node("p", "m1-quiet", "No one else has submitted this case yet.")];
    review.replaceChildren(node("h2", "", "Side by side"), ...none, strip);
  }

  /** @param {SavedMark} mark */
  #reviewCard(mark) {
    const card = this.#card(mark);
    const { name } = this.#session;
    const row = node("div", "m1-mark-buttons");
    row.append(stateChip(mark));
    if (mark.agreed_by.length) row.append(node("span", "m1-quiet", `Agreed by ${mark.agreed_by.join(", ")}`));
    const isOther = mark.annotator !== name;
    if (isOther && mark.state !== "adjudicated" && !mark.agreed_by.includes(name)) {
      row.append(button("Agree", () => this.#act.agree(mark), `Agree: ${mark.exact}`));
    }
    if (isOther && mark.state === "submitted") {
      row.append(button("Dispute", () => this.#askReason(card, "dispute", mark), `Dispute: ${mark.exact}`));
    }
    if (mark.state === "disputed") {
      row.append(button("Adjudicate", () => this.#askReason(card, "adjudicate", mark), `Adjudicate: ${mark.exact}`));
    }
    row.append(this.#historyButton(mark, card), ...testLink(mark));
    card.append(row);
    return card;
  }

  /**
   * A dispute and an adjudication need a reason.
   * @param {HTMLElement} card
   * @param {"dispute" | "adjudicate"} what
   * @param {SavedMark} mark
   */
  #askReason(card, what, mark) {
    card.querySelector(".m1-reason")?.remove();
    const form = node("div", "m1-reason");
    const field = node("label", "m1-field", what === "dispute" ? "Reason for the dispute" : "Reason for the decision");
    const box = node("textarea");
    box.rows = 2;
    field.append(box);
    const row = node("div", "m1-form-buttons");
    /**
     * @param {string} text
     * @param {object} [more]
     */
    const send = (text, more) => button(text, () => this.#act.judge(form, what, mark, { reason: box.value, ...more }));
    if (what === "dispute") row.append(send("Dispute"));
    else row.append(send("Uphold the mark", { is_upheld: true }), send("Reject the mark", { is_upheld: false }));
    row.append(button("Cancel", () => form.remove()));
    form.append(field, problemLine("reason"), row);
    card.append(form);
    box.focus();
  }

  /** @param {string} id */
  flash(id) {
    if (this.#work?.own.slice(this.#limit).some((mark) => mark.id === id)) this.#showAll();
    const card = this.#session.element.querySelector(`[data-mark="${CSS.escape(id)}"]`);
    if (!card) return;
    card.scrollIntoView({ block: "nearest" });
    card.classList.remove("is-opened");
    requestAnimationFrame(() => card.classList.add("is-opened"));
  }
}

/**
 * Leads to the test of a mark's corrected fact; nothing for a mark without one, or outside of the thinking.
 * @param {SavedMark} mark
 */
function testLink(mark) {
  const isTestable = mark.part === "thinking" && mark.start !== null && Boolean(mark.corrected_fact);
  if (!isTestable) return [];
  const test = link("Test this fact", `/facts/?annotation=${mark.id}`, `Test this fact: ${mark.exact}`);
  test.className = "m1-plain-button";
  return [test];
}

/**
 * Where a field's error is shown.
 * @param {string} field
 */
export function problemLine(field) {
  const made = node("p", "m1-problem");
  made.dataset.problem = field;
  made.setAttribute("role", "alert");
  return made;
}
