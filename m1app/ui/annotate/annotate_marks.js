// The marks of a case: one's own, those that the app suggests, and, once one's own are submitted, everybody's.
const LISTED = 200;

class MarkList {
  // `act` does what a button says; it gives true when that was done.
  constructor(act) {
    this.act = act;
    this.limit = LISTED;
    this.cards = new Map();
    this.title = node("h3");
    this.list = node("ol", "m1-mark-list");
    this.none = node("p", "m1-quiet", "No mark yet. A case without an error is submitted without one.");
    this.all = button("", () => {
      this.limit = Infinity;
      this.showOwn();
    });
    q("own").append(this.title, this.list, this.none, this.all);
  }
  show(work) {
    this.work = work;
    this.showOwn();
    this.showSuggestions();
    this.showSubmit();
    this.showReview();
  }
  showOwn() {
    const { own } = this.work;
    this.arrange(own.slice(0, this.limit).map((mark) => this.kept(mark)));
    this.title.textContent = `My marks (${own.length})`;
    this.none.hidden = own.length > 0;
    this.all.hidden = own.length <= this.limit;
    this.all.textContent = `Show all ${own.length}`;
  }
  // What stands right already is not moved: laying out hundreds of cards anew could be felt.
  arrange(cards) {
    const wanted = new Set(cards);
    [...this.list.children].forEach((card) => wanted.has(card) || card.remove());
    cards.forEach((card, i) => {
      if (this.list.children[i] !== card) this.list.insertBefore(card, this.list.children[i] || null);
    });
  }
  kept(mark) {
    const said = JSON.stringify(mark);
    const known = this.cards.get(mark.id);
    if (known?.said === said) return known.card;
    const card = this.ownCard(mark);
    this.cards.set(mark.id, { said, card });
    return card;
  }
  card(mark) {
    const card = node("li", "m1-mark-card");
    card.dataset.mark = mark.id;
    card.append(markBody(mark, this.act.jump));
    if (mark.is_stale) card.append(node("p", "m1-problem", "The text has changed since: these words stand elsewhere now."));
    return card;
  }
  ownCard(mark) {
    const card = this.card(mark);
    const row = node("div", "m1-mark-buttons");
    row.append(stateChip(mark), button("Edit", () => this.act.edit(mark), `Edit: ${mark.exact}`));
    row.append(twice("Withdraw", "Press again to withdraw", () => this.act.withdraw(mark), `Withdraw: ${mark.exact}`));
    row.append(this.historyButton(mark, card));
    card.append(row);
    return card;
  }
  historyButton(mark, card) {
    const made = button(`History (${mark.revision})`, async () => {
      const shown = card.querySelector(".m1-revisions");
      if (shown) return shown.remove();
      const revisions = await this.act.history(mark);
      if (revisions) card.append(historyList(revisions));
    }, `History: ${mark.exact}`);
    return made;
  }
  showSuggestions() {
    const cards = this.work.suggestions.map((each) => {
      const card = node("div", "m1-suggestion");
      const kept = node("div", "m1-mark-buttons");
      kept.append(
        button("Accept and edit", () => this.act.accept(each), `Accept: ${labelName(each.label)}`),
        button("Reject", () => this.act.reject(each), `Reject: ${labelName(each.label)}`),
      );
      card.append(node("b", "", "Suggested, not yet judged"), markBody(each.mark, this.act.jump), node("p", "m1-mark-text", each.reason), kept);
      return card;
    });
    if (cards.length) cards.unshift(node("h3", "", `Suggestions (${cards.length})`));
    q("suggestions").replaceChildren(...cards);
  }
  showSubmit() {
    const { own, is_submitted: isSubmitted, hidden } = this.work;
    const parts = [];
    const drafts = own.filter((mark) => mark.state === "draft").length;
    const others = hidden ? `${plural(hidden, "other has", "others have")} submitted; you see their marks after you submit.` : "";
    if (isSubmitted) parts.push(node("p", "m1-done", "✓ You have submitted this case."));
    if (!isSubmitted || drafts) {
      const submit = own.length
        ? button("Submit case", () => this.act.submit())
        : twice("Submit case", "Press again: no error found", () => this.act.submit());
      submit.classList.add("is-primary");
      parts.push(submit);
    }
    if (!isSubmitted && !own.length) parts.push(node("p", "m1-quiet", "Without a mark this says: no error found."));
    if (others) parts.push(node("p", "m1-quiet", others));
    const says = node("p", "m1-problem");
    says.dataset.problem = "submit";
    says.setAttribute("role", "alert");
    q("submit").replaceChildren(...parts, says);
  }
  showReview() {
    const { others, own, reviewers, is_submitted: isSubmitted } = this.work;
    if (!isSubmitted) return q("review").replaceChildren();
    const byName = new Map([[`${me.name} (you)`, own]]);
    reviewers.forEach((name) => byName.set(name, []));
    others.forEach((mark) => {
      if (!byName.has(mark.annotator)) byName.set(mark.annotator, []);
      byName.get(mark.annotator).push(mark);
    });
    const columns = [...byName].map(([name, marks]) => {
      const column = node("section", "m1-review-column");
      column.setAttribute("aria-label", `Marks of ${name}`);
      const list = node("ol", "m1-mark-list");
      list.append(...marks.slice(0, LISTED).map((mark) => this.reviewCard(mark)));
      column.append(node("h4", "", `${name}: ${plural(marks.length, "mark")}`), list);
      return column;
    });
    const strip = node("div", "m1-review");
    strip.append(...columns);
    const none = byName.size > 1 ? [] : [node("p", "m1-quiet", "Nobody else has submitted this case so far.")];
    q("review").replaceChildren(node("h2", "", "Side by side"), ...none, strip);
  }
  reviewCard(mark) {
    const card = this.card(mark);
    const row = node("div", "m1-mark-buttons");
    row.append(stateChip(mark));
    if (mark.agreed_by.length) row.append(node("span", "m1-quiet", `Agreed by ${mark.agreed_by.join(", ")}`));
    const isOther = mark.annotator !== me.name;
    if (isOther && mark.state !== "adjudicated" && !mark.agreed_by.includes(me.name)) row.append(button("Agree", () => this.act.agree(mark), `Agree: ${mark.exact}`));
    if (isOther && mark.state === "submitted") row.append(button("Dispute", () => this.reason(card, "dispute", mark), `Dispute: ${mark.exact}`));
    if (mark.state === "disputed") row.append(button("Adjudicate", () => this.reason(card, "adjudicate", mark), `Adjudicate: ${mark.exact}`));
    row.append(this.historyButton(mark, card));
    card.append(row);
    return card;
  }
  // A dispute and an adjudication need a reason.
  reason(card, what, mark) {
    card.querySelector(".m1-reason")?.remove();
    const form = node("div", "m1-reason");
    const field = node("label", "m1-field", what === "dispute" ? "Why you dispute it" : "Why you decide so");
    const box = node("textarea");
    box.rows = 2;
    field.append(box);
    const says = node("p", "m1-problem");
    says.dataset.problem = "reason";
    says.setAttribute("role", "alert");
    const row = node("div", "m1-form-buttons");
    const send = (text, extra) => button(text, () => this.act.judge(form, what, mark, { reason: box.value, ...extra }));
    if (what === "dispute") row.append(send("Dispute"));
    else row.append(send("Uphold the mark", { is_upheld: true }), send("Reject the mark", { is_upheld: false }));
    row.append(button("Cancel", () => form.remove()));
    form.append(field, says, row);
    card.append(form);
    box.focus();
  }
  flash(id) {
    if (this.work.own.slice(this.limit).some((mark) => mark.id === id)) {
      this.limit = Infinity;
      this.showOwn();
    }
    const card = element.querySelector(`[data-mark="${CSS.escape(id)}"]`);
    if (!card) return;
    card.scrollIntoView({ block: "nearest" });
    card.classList.remove("is-opened");
    requestAnimationFrame(() => card.classList.add("is-opened"));
  }
}
