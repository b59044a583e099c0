// One case: its question and texts, and everything that is done to it.
class CasePane {
  constructor() {
    const select = (part, start, end) => this.onSelect(part, start, end);
    const open = (part, at) => this.onText(part, at);
    this.panes = { thinking: new TextPane("thinking", select, open), answer: new TextPane("answer", select, open) };
    this.painter = new Painter(this.panes);
    this.form = new MarkForm({
      onChange: () => this.draft?.touch(),
      onSave: () => this.save(),
      onCancel: () => this.cancel(),
      onWhole: () => this.begin({ part: "whole" }),
      onShow: (mark) => this.painter.set("m1-pending", mark.part in this.panes ? [mark] : []),
    });
    this.draft = new Draft(this.form);
    this.other = button("Use the selected words instead", () => this.replaceSpan());
    this.other.hidden = true;
    this.form.quote.after(this.other);
    this.list = new MarkList(this.acts());
    this.watchSelection();
  }
  watchSelection() {
    let isDown = false;
    let later;
    const read = () => document.getSelection().isCollapsed || Object.values(this.panes).forEach((pane) => pane.readSelection());
    document.addEventListener("pointerdown", () => (isDown = true));
    ["pointerup", "pointercancel"].forEach((kind) =>
      document.addEventListener(kind, () => {
        isDown = false;
        setTimeout(read);
      }),
    );
    // A finger's selection ends without a pointer; the keys' own selection is read already.
    document.addEventListener("selectionchange", () => {
      clearTimeout(later);
      later = setTimeout(() => isDown || !matchMedia("(pointer: coarse)").matches || read(), 400);
    });
  }
  show(reply) {
    const value = reply.case;
    this.value = value;
    this.neighbours = reply.neighbours;
    for (const [part, pane] of Object.entries(this.panes)) {
      const { text, waits, sha256 } = value.texts[part];
      pane.show(text, waits, sha256);
    }
    this.showHead(value);
    this.other.hidden = true;
    this.form.fill(null);
    this.takeWork(reply.work);
    const typed = this.draft.open(value.id, reply.work.draft);
    if (!typed) return;
    this.form.fill(typed, true);
    this.form.state.textContent = "What you had typed is here again.";
  }
  showHead(value) {
    q("stem").textContent = value.stem;
    q("options").replaceChildren(
      ...value.options.map(({ letter, text, tags }) => {
        const row = node("li", "m1-option");
        row.append(node("span", "m1-letter", letter), node("span", "m1-option-text", text), node("span", "m1-tags", tags));
        return row;
      }),
    );
    q("verdict").textContent = value.verdict_label;
    q("verdict").dataset.verdict = value.verdict;
    q("facts").textContent = value.facts;
    q("source").href = value.source;
    q("previous").disabled = !this.neighbours[0];
    q("next").disabled = !this.neighbours[1];
  }
  takeWork(work) {
    this.work = work;
    this.list.show(work);
    this.paint();
  }
  paint() {
    const suggested = this.work.suggestions.map((each) => each.mark);
    const fresh = (marks) => marks.filter((mark) => !mark.is_stale);
    this.painter.marks(fresh(this.work.own), fresh(this.work.others), fresh(suggested));
    this.painter.set("m1-pending", this.form.mark.part in this.panes ? [this.form.mark] : []);
  }
  spanOf(part, start, end) {
    const pane = this.panes[part];
    return { part, start, end, exact: pane.quote(start, end), text_sha256: pane.hash };
  }
  onSelect(part, start, end) {
    const span = this.spanOf(part, start, end);
    q("spoken").textContent = `Selected: ${span.exact.slice(0, 200)}`;
    const { id, part: now } = this.form.mark;
    if (id || now === "whole") {
      this.selected = span;
      this.other.hidden = false;
      return;
    }
    this.form.place(span);
  }
  replaceSpan() {
    this.other.hidden = true;
    this.form.place(this.selected);
  }
  begin(values) {
    if (!this.isFree()) return;
    this.form.fill({ labels: [...this.form.palette.chosen], ...values });
    this.form.changed();
  }
  isFree() {
    if (!this.form.isDirty) return true;
    problem(this.form.root, { field: "case", message: "You have begun a mark: save or cancel it first." });
    return false;
  }
  // A click into a text opens the marks there, the shortest first, and at the same place again the next one.
  onText(part, at) {
    const here = [...this.work.own, ...this.work.others]
      .filter((mark) => mark.part === part && !mark.is_stale && mark.start <= at && at < mark.end)
      .sort((a, b) => a.end - a.start - (b.end - b.start));
    if (!here.length) {
      if (this.form.isOpen && !this.form.isDirty && this.form.mark.part !== "whole") this.cancel();
      return;
    }
    const before = here.findIndex((mark) => mark.id === this.opened);
    const mark = here[(before + 1) % here.length];
    this.opened = mark.id;
    this.list.flash(mark.id);
    this.painter.flash(mark);
    if (mark.annotator === me.name && !this.form.isDirty) this.form.fill(mark);
  }
  jump(mark) {
    if (mark.start === null || mark.is_stale) return;
    this.panes[mark.part].jump(mark.start, mark.end);
    this.painter.flash(mark);
  }
  cancel() {
    const values = this.form.isDirty ? this.form.read() : null;
    this.form.fill(null);
    this.other.hidden = true;
    problem(null, null);
    this.draft.clear();
    document.getSelection().removeAllRanges();
    this.undo?.remove();
    if (!values) return;
    this.undo = button("Bring back what I cancelled", () => {
      this.undo.remove();
      this.form.fill(values, true);
      this.form.changed();
    });
    this.form.hint.after(this.undo);
  }
  async save() {
    if (!this.form.isOpen || this.isSaving || !named()) return;
    const values = this.form.read();
    const missing = this.missing(values);
    problem(this.form.root, missing);
    if (missing) return;
    this.isSaving = true;
    this.form.root.inert = true;
    const reply = await ask("save", { case: this.value.id, values });
    this.isSaving = false;
    this.form.root.inert = false;
    if (reply.conflict) return this.showConflict(reply.conflict);
    if (reply.error) return problem(this.form.root, reply.error);
    this.undo?.remove();
    this.other.hidden = true;
    this.form.fill(null);
    this.draft.clear();
    document.getSelection().removeAllRanges();
    this.takeWork(reply.work);
    this.list.flash(reply.saved);
    if (values.part in this.panes) this.panes[values.part].root.focus({ preventScroll: true });
  }
  missing(values) {
    if (!values.labels.length) return { field: "labels", message: "Choose at least one label: what kind of error is it?" };
    if (!values.severity) return { field: "severity", message: "Choose how bad it is." };
    return null;
  }
  showConflict(conflict) {
    const { current } = conflict;
    this.form.showConflict(
      conflict,
      () => {
        this.form.fill(current, true);
        this.form.changed();
      },
      () => {
        this.form.mark.revision = current.revision;
        this.form.conflict.hidden = true;
        this.save();
      },
    );
  }
  // Sends what a button of the list says; what comes back replaces the marks.
  async done(action, values, scope) {
    if (!named()) return false;
    const reply = await ask(action, { case: this.value.id, ...values });
    problem(scope || null, reply.error);
    if (reply.error) return false;
    this.takeWork(reply.work);
    return true;
  }
  acts() {
    return {
      jump: (mark) => this.jump(mark),
      edit: (mark) => {
        if (!this.isFree()) return;
        this.jump(mark);
        this.form.fill(mark);
        this.form.root.scrollIntoView({ block: "nearest" });
      },
      withdraw: async (mark) => {
        const isDone = await this.done("withdraw", { annotation: mark.id, revision: mark.revision });
        if (isDone && this.form.mark.id === mark.id) this.cancel();
      },
      history: async (mark) => {
        const reply = await ask("history", { annotation: mark.id });
        problem(null, reply.error);
        return reply.revisions;
      },
      accept: ({ key, mark }) => {
        if (!this.isFree()) return;
        this.jump(mark);
        this.form.fill({ ...mark, id: "", revision: 0, suggestion_key: key });
        this.form.changed();
        this.form.root.scrollIntoView({ block: "nearest" });
      },
      reject: ({ key }) => this.done("reject", { key }),
      submit: () => this.submit(),
      agree: (mark) => this.done("agree", { annotation: mark.id }),
      judge: (form, action, mark, values) => this.done(action, { annotation: mark.id, ...values }, form),
    };
  }
  async submit() {
    if (this.form.isDirty) {
      problem(q("submit"), { field: "submit", message: "You have begun a mark: save or cancel it first." });
      return;
    }
    this.draft.flush();
    if (await this.done("submit", {})) queue.load();
  }
}
