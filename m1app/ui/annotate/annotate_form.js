// The form of one mark. What is typed in it is a draft: told to `onChange` as it is typed, and put back with `fill`.
const EVIDENCE = [["pmid", "PMID"], ["doi", "DOI"], ["url", "URL"], ["guideline", "Guideline"], ["quote", "Quote"]];
const EMPTY = {
  id: "", revision: 0, suggestion_key: "", part: "", start: null, end: null, exact: "", text_sha256: "", labels: [],
  severity: "", comment: "", corrected_fact: "", evidence: [], confidence: "", is_omission: false, changed_answer: null,
};
const PART_NAMES = { thinking: "Thinking", answer: "Answer", whole: "Whole case" };

class MarkForm {
  constructor({ onChange, onSave, onCancel, onWhole, onShow }) {
    Object.assign(this, { onChange, onShow });
    this.root = q("form");
    this.palette = new Palette(() => this.changed());
    this.head = node("div", "m1-form-head");
    this.title = node("h3", "", "Mark");
    this.whole = button("Note on the whole case", onWhole);
    this.head.append(this.title, this.whole);
    this.quote = node("blockquote", "m1-quote");
    this.hint = node("p", "m1-quiet", "Select words in the thinking or the answer: with the mouse, or with the arrow keys once the text has the focus. Marks may overlap.");
    this.conflict = node("div", "m1-conflict");
    this.conflict.hidden = true;
    this.body = node("div", "m1-form-body");
    this.severity = this.choices("severity", "Severity", []);
    this.build(onSave, onCancel);
    this.root.append(
      this.head, this.quote, this.hint, this.says("span"), this.says("case"), this.conflict,
      this.palette.root, this.says("labels"), this.palette.meaning, this.body,
    );
    this.root.addEventListener("submit", (event) => event.preventDefault());
    this.body.addEventListener("input", () => this.changed());
    this.fill(null);
  }
  build(onSave, onCancel) {
    this.comment = this.area("Comment", "What is wrong, in your words");
    this.fact = this.area("Corrected fact", "What would be right");
    this.evidence = node("div", "m1-evidence");
    const add = button("Add evidence", () => {
      this.evidence.append(this.evidenceRow({ kind: "pmid", value: "" }));
      this.evidence.lastElementChild.querySelector("input").focus();
    });
    this.confidence = this.choices("confidence", "How sure", [["low", "Low"], ["medium", "Medium"], ["high", "High"]]);
    this.omission = this.choices("kind", "Kind", [["", "Something is wrong"], ["1", "Something is missing here"]]);
    this.answer = this.choices("changed", "Changed the final answer", [["yes", "Yes"], ["no", "No"], ["", "Not known"]]);
    this.save = button("Save", onSave);
    this.save.classList.add("is-primary");
    this.cancel = button("Cancel", onCancel);
    const row = node("div", "m1-form-buttons");
    row.append(this.save, this.cancel, node("span", "m1-quiet", "Ctrl+Enter saves, Escape cancels."));
    this.state = node("p", "m1-quiet");
    this.state.setAttribute("role", "status");
    this.body.append(
      this.severity, this.says("severity"), this.omission, this.comment, this.says("comment"), this.fact,
      this.says("corrected_fact"), this.evidence, add, this.says("evidence"), this.confidence, this.answer, row, this.state,
    );
  }
  says(field) {
    const made = node("p", "m1-problem");
    made.dataset.problem = field;
    made.setAttribute("role", "alert");
    return made;
  }
  area(name, placeholder) {
    const made = node("label", "m1-field", name);
    const box = node("textarea");
    box.rows = 2;
    box.placeholder = placeholder;
    made.append(box);
    return made;
  }
  choices(name, title, values) {
    const made = node("fieldset", "m1-choices");
    made.append(node("legend", "", title), ...values.map(([value, text]) => this.choice(name, value, text)));
    return made;
  }
  choice(name, value, text, title) {
    const made = node("label", "m1-choice");
    const dot = node("input");
    dot.type = "radio";
    dot.name = `m1-${name}`;
    dot.value = value;
    made.append(dot, ` ${text}`);
    if (title) made.title = title;
    return made;
  }
  offer(taxonomy) {
    this.palette.fill(taxonomy.labels.filter((label) => !label.retired));
    const meaning = node("p", "m1-quiet m1-severity-meaning");
    const unsaid = "Point at a severity to read what it means.";
    const explain = (id) => (meaning.textContent = severities.find((each) => each.id === id)?.definition || unsaid);
    const dots = taxonomy.severities.map(({ id, definition }, i) => {
      const made = this.choice("severity", id, id, `${definition} (Shift+${i + 1})`);
      made.addEventListener("pointerover", () => explain(id));
      made.addEventListener("focusin", () => explain(id));
      made.addEventListener("change", () => explain(id));
      return made;
    });
    this.severity.replaceChildren(node("legend", "", "Severity (Shift and a number)"), ...dots, meaning);
    this.explainSeverity = explain;
    explain("");
  }
  evidenceRow({ kind, value }) {
    const row = node("div", "m1-evidence-row");
    const kinds = node("select");
    kinds.setAttribute("aria-label", "Kind of evidence");
    kinds.append(...EVIDENCE.map(([id, name]) => option(id, name)));
    kinds.value = kind;
    const box = node("input");
    box.type = "text";
    box.value = value;
    box.setAttribute("aria-label", "Evidence");
    row.append(kinds, box, button("×", () => {
      row.remove();
      this.changed();
    }, "Remove this evidence"));
    return row;
  }
  get isOpen() {
    return Boolean(this.mark.part);
  }
  read() {
    const chosen = (group) => group.querySelector("input:checked")?.value ?? "";
    const rows = [...this.evidence.children].map((row) => ({
      kind: row.querySelector("select").value, value: row.querySelector("input").value,
    }));
    return {
      ...this.mark,
      labels: [...this.palette.chosen],
      severity: chosen(this.severity),
      comment: this.comment.lastElementChild.value,
      corrected_fact: this.fact.lastElementChild.value,
      evidence: rows.filter(({ value }) => value.trim()),
      confidence: chosen(this.confidence),
      is_omission: chosen(this.omission) === "1",
      changed_answer: { yes: true, no: false }[chosen(this.answer)] ?? null,
    };
  }
  // Whether anything is in it that is not kept yet.
  get isDirty() {
    return this.isOpen && this.isTouched;
  }
  fill(values, isTouched) {
    this.mark = { ...EMPTY, ...values };
    const choose = (group, value) =>
      group.querySelectorAll("input").forEach((dot) => (dot.checked = dot.value === value));
    this.palette.set(this.mark.labels);
    choose(this.severity, this.mark.severity);
    choose(this.confidence, this.mark.confidence || "");
    choose(this.omission, this.mark.is_omission ? "1" : "");
    choose(this.answer, { true: "yes", false: "no" }[this.mark.changed_answer] || "");
    this.comment.lastElementChild.value = this.mark.comment;
    this.fact.lastElementChild.value = this.mark.corrected_fact;
    this.evidence.replaceChildren(...this.mark.evidence.map((each) => this.evidenceRow(each)));
    this.explainSeverity?.(this.mark.severity);
    this.conflict.hidden = true;
    this.isTouched = Boolean(isTouched);
    this.show();
  }
  // Other words for the mark that the form is about, or for a new one.
  place(span) {
    Object.assign(this.mark, span);
    this.changed();
    this.show();
  }
  changed() {
    if (!this.isOpen) return;
    this.isTouched = true;
    this.onChange();
  }
  show() {
    const { id, part, exact, start } = this.mark;
    this.root.classList.toggle("is-open", this.isOpen);
    this.title.textContent = id ? "Edit mark" : this.isOpen ? "New mark" : "Mark";
    this.quote.hidden = !this.isOpen;
    this.quote.replaceChildren(node("b", "", `${PART_NAMES[part] || ""}${start === null ? "" : ": "}`), start === null ? "" : node("q", "", exact));
    this.hint.hidden = this.isOpen;
    this.body.hidden = !this.isOpen;
    this.whole.hidden = this.isOpen;
    this.onShow?.(this.mark);
  }
  pressSeverity(number) {
    const dot = this.severity.querySelectorAll("input")[number];
    if (!dot) return false;
    dot.checked = true;
    this.explainSeverity(dot.value);
    this.changed();
    return true;
  }
  // The same mark was saved by somebody else in the meantime: both are shown, and the person chooses.
  showConflict({ message, current, changes }, onTheirs, onMine) {
    const mine = this.read();
    const words = (values, field) => fieldWords(field, values[field]) || "–";
    const table = node("table", "m1-table");
    const head = node("tr");
    head.append(node("th", "", ""), node("th", "", "Yours"), node("th", "", "Saved meanwhile"));
    table.append(head);
    changes.forEach((field) => {
      const row = node("tr");
      row.append(node("th", "", FIELD_NAMES[field] || field), node("td", "", words(mine, field)), node("td", "", words(current, field)));
      table.append(row);
    });
    const row = node("div", "m1-form-buttons");
    row.append(button("Keep mine", onMine), button("Take theirs", onTheirs));
    this.conflict.replaceChildren(node("p", "", message), table, row);
    this.conflict.hidden = false;
    this.conflict.scrollIntoView({ block: "nearest" });
  }
}
