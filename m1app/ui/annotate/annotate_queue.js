// The queue: filters that the address keeps, rows, progress.
const FILTERS = ["verdict", "model", "label", "severity", "by", "words", "flipped", "disputed", "todo", "run", "budget", "rounds"];
const CHIPS = { run: "Run", budget: "Budget", rounds: "Rounds" };

class Queue {
  constructor(onOpen, onChange) {
    this.onOpen = onOpen;
    this.form = q("filters");
    this.rows = [];
    this.extra = {};
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", (event) => {
      clearTimeout(this.typing);
      this.typing = setTimeout(onChange, event.target.name === "words" ? 300 : 0);
    });
    q("clear").addEventListener("click", () => {
      this.set({});
      onChange();
    });
    this.onChange = onChange;
    q("rows").addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-case]");
      if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      onOpen(row.dataset.case);
    });
    q("more").addEventListener("click", () => this.more());
  }
  get filter() {
    const values = { ...this.extra };
    for (const field of this.form.elements) {
      if (!field.name) continue;
      const value = field.type === "checkbox" ? (field.checked ? "1" : "") : field.value.trim();
      if (value) values[field.name] = value;
    }
    return values;
  }
  set(values) {
    this.extra = {};
    Object.keys(CHIPS).forEach((name) => values[name] && (this.extra[name] = String(values[name])));
    for (const field of this.form.elements) {
      if (!field.name) continue;
      const value = values[field.name] || "";
      if (field.type === "checkbox") field.checked = Boolean(value);
      else {
        // A name that the list does not have (yet) is a filter all the same.
        if (value && field.tagName === "SELECT" && ![...field.options].some((each) => each.value === value)) field.append(option(value, value));
        field.value = value;
      }
    }
    this.showChips();
  }
  offer(name, choices) {
    const box = this.form.elements[name];
    const value = box.value;
    box.replaceChildren(box.options[0], ...choices.map(([id, text]) => option(id, text)));
    if (value && !choices.some(([id]) => id === value)) box.append(option(value, value));
    box.value = value;
  }
  showChips() {
    q("chips").replaceChildren(
      ...Object.entries(this.extra).map(([name, value]) =>
        button(`${CHIPS[name]} ${name === "run" ? value.slice(0, 8) : value} ×`, () => {
          delete this.extra[name];
          this.showChips();
          this.onChange();
        }, `Remove the filter ${CHIPS[name]} ${value}`),
      ),
    );
  }
  async load() {
    const filter = this.filter;
    const reply = await ask("queue", { filter, cursor: "" });
    if (JSON.stringify(filter) !== JSON.stringify(this.filter)) return;
    if (reply.error) return problem(null, reply.error);
    problem(null, null);
    this.rows = [];
    this.take(reply.queue);
    this.offer("model", reply.models.map((name) => [name, name]));
    this.offer("by", reply.annotators.map((name) => [name, name]));
    q("annotators").replaceChildren(...reply.annotators.map((name) => option(name, name)));
  }
  async more() {
    const reply = await ask("queue", { filter: this.filter, cursor: this.cursor });
    if (reply.error) return problem(null, reply.error);
    this.take(reply.queue);
  }
  take(page) {
    this.rows.push(...page.rows);
    this.cursor = page.next_cursor;
    this.progress = `${page.submitted.toLocaleString("en-US")} of ${page.total.toLocaleString("en-US")} done`;
    q("progress").textContent = this.progress;
    q("case-progress").textContent = this.progress;
    const share = page.total ? page.submitted / page.total : 0;
    q("meter").style.setProperty("--share", share);
    q("meter").setAttribute("aria-valuenow", Math.round(share * 100));
    q("more").hidden = !page.next_cursor;
    q("table").hidden = !this.rows.length;
    q("empty").hidden = this.rows.length > 0;
    q("why-empty").textContent = page.empty;
    q("rows").replaceChildren(...this.rows.map((row) => this.row(row)));
  }
  row(value) {
    const row = node("tr");
    row.dataset.case = value.id;
    const cell = (text, className) => {
      const made = node("td", className);
      const link = node("a", "", text);
      link.href = `?case=${encodeURIComponent(value.id)}`;
      link.tabIndex = className === "m1-stem" ? 0 : -1;
      made.append(link);
      row.append(made);
      return made;
    };
    cell(value.stem, "m1-stem");
    cell(value.model);
    cell(value.budget.toLocaleString("en-US"), "m1-number");
    cell(String(value.rounds), "m1-number");
    cell(value.verdict_label, "m1-mark").dataset.verdict = value.verdict;
    cell(value.mine);
    cell(String(value.assessed_by), "m1-number");
    return row;
  }
}
