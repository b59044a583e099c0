// What is typed and not saved yet: at once in the tab's own storage, a second later with the app; and the time spent.
const DRAFT_MS = 1000;
const IDLE_MS = 60000;
const SECONDS_KEPT = 30;

class Draft {
  constructor(form) {
    this.form = form;
    this.seconds = 0;
    this.moved = 0;
    ["pointermove", "pointerdown", "keydown", "wheel"].forEach((kind) =>
      document.addEventListener(kind, () => (this.moved = Date.now()), { passive: true }),
    );
    setInterval(() => this.tick(), 1000);
    document.addEventListener("visibilitychange", () => document.hidden && this.flush());
    window.addEventListener("pagehide", () => this.flush());
  }
  get key() {
    return `m1-annotate-draft ${this.caseId} ${me.name}`;
  }
  open(caseId, kept) {
    this.caseId = caseId;
    this.isKept = true;
    const own = JSON.parse(sessionStorage.getItem(this.key) || "null");
    return own || (kept && kept.part ? kept : null);
  }
  // Something was typed.
  touch() {
    if (!this.caseId) return;
    this.isKept = false;
    sessionStorage.setItem(this.key, JSON.stringify(this.values));
    this.form.state.textContent = "";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), DRAFT_MS);
  }
  get values() {
    return this.form.isOpen ? this.form.read() : {};
  }
  tick() {
    const isInUse = !document.hidden && Date.now() - this.moved < IDLE_MS;
    if (!this.caseId || !me.name || !isInUse) return;
    this.seconds += 1;
    if (this.seconds >= SECONDS_KEPT) this.send();
  }
  flush() {
    if (!this.isKept || this.seconds >= 5) this.send();
  }
  // The form is empty again: saved or cancelled.
  clear() {
    if (!this.caseId) return;
    sessionStorage.removeItem(this.key);
    this.isKept = false;
    this.send();
  }
  async send() {
    clearTimeout(this.timer);
    if (!this.caseId || !me.name) return;
    const [key, seconds, values] = [this.key, this.seconds, this.values];
    this.seconds = 0;
    this.isKept = true;
    const reply = await ask("draft", { case: this.caseId, draft: values, seconds });
    if (reply.error) {
      this.seconds += seconds;
      this.isKept = false;
      if (this.form.isOpen) this.form.state.textContent = `The draft stays in this tab only: ${reply.error.message}`;
      return;
    }
    if (key === this.key && this.isKept) {
      sessionStorage.removeItem(key);
      this.form.state.textContent = this.form.isOpen ? "Draft kept." : "";
    }
  }
}
