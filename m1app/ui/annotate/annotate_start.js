// What holds the page together: the address, the views, the keys, and the annotator's name.
const KEYS = [
  "In a text: the left and right arrow keys select the next word, up and down a sentence; with Shift they extend the selection, with Ctrl and Shift its end moves by one character.",
  "Then a number or letter chooses a label, Shift and a number the severity. Enter goes to the labels. Ctrl+Enter saves, Escape cancels.",
  "J and K, or Alt with the arrow keys down and up, go to the next and previous case.",
];
const pane = new CasePane();
const queue = new Queue((id) => openCase(id), () => {
  showAddress("");
  queue.load();
});
let hasStarted = false;
let view = "cases";

function showAddress(caseId, isNew) {
  const url = new URL(window.location.href);
  url.search = new URLSearchParams({ ...queue.filter, ...(view === "cases" ? {} : { tab: view }), ...(caseId ? { case: caseId } : {}) });
  if (url.href === window.location.href) return;
  window.history[isNew ? "pushState" : "replaceState"](null, "", url);
}
function showView(name) {
  view = name;
  element.querySelectorAll("[data-tab]").forEach((tab) => {
    const isChosen = tab.dataset.tab === name;
    tab.setAttribute("aria-selected", isChosen);
    tab.tabIndex = isChosen ? 0 : -1;
  });
  q("queue").hidden = name !== "cases" || Boolean(pane.isShown);
  q("case").hidden = name !== "cases" || !pane.isShown;
  document.dispatchEvent(new CustomEvent("m1-annotate-view", { detail: { name } }));
}
async function openCase(id, span) {
  pane.draft.flush();
  const reply = await ask("open", { case: id, filter: queue.filter });
  problem(null, reply.error);
  if (reply.error) {
    if (!pane.isShown) showView(view);
    return;
  }
  pane.isShown = true;
  showView("cases");
  pane.show(reply);
  showAddress(id, true);
  window.scrollTo(0, 0);
  if (span && !pane.form.isOpen) preselect(span);
}
function preselect({ part, start, end }) {
  const text = pane.panes[part];
  const length = text.index.points(text.text.length);
  const [from, to] = [Math.max(0, start), Math.min(end, length)];
  if (!(from < to)) return;
  text.jump(from, to);
  pane.onSelect(part, from, to);
}
function closeCase() {
  pane.draft.flush();
  pane.draft.caseId = "";
  pane.isShown = false;
  showView("cases");
  showAddress("", true);
  queue.load();
}
const go = (step) => {
  const id = pane.neighbours?.[step];
  if (id) openCase(id);
};

function onKey(event) {
  if (view !== "cases" || !pane.isShown) return;
  const { form } = pane;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return pane.save();
  if (event.key === "Escape" && form.isOpen) return pane.cancel();
  if (event.altKey && !event.ctrlKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    return go(event.key === "ArrowDown" ? 1 : 0);
  }
  if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && event.target.closest(".m1-mark-pane") && form.isOpen) {
    event.preventDefault();
    return form.palette.root.querySelector("input").focus();
  }
  const digit = /^Digit([1-9])$/.exec(event.code);
  const isUsed = form.isOpen && (event.shiftKey ? digit && form.pressSeverity(digit[1] - 1) : form.palette.press(event.key));
  if (isUsed) return event.preventDefault();
  if (event.key === "j" || event.key === "k") go(event.key === "j" ? 1 : 0);
}

async function rename() {
  const name = q("annotator").value.trim();
  if (name === me.name) return;
  pane.draft.flush();
  me.name = name;
  localStorage.setItem("m1-annotator", name);
  problem(null, null);
  // A mark that was begun before the name was given goes with it.
  const typed = pane.isShown && pane.form.isDirty ? pane.form.read() : null;
  await queue.load();
  if (!pane.isShown) return;
  await openCase(pane.value.id);
  if (typed && !typed.id && !pane.form.isOpen) {
    pane.form.fill(typed, true);
    pane.form.changed();
  }
}

async function start(value) {
  hasStarted = true;
  labels = new Map(value.taxonomy.labels.map((label) => [label.id, label]));
  severities = value.taxonomy.severities;
  pane.form.offer(value.taxonomy);
  queue.offer("label", value.taxonomy.labels.map(({ id, name }) => [id, name]));
  queue.offer("severity", severities.map(({ id }) => [id, id]));
  const address = new URL(window.location.href).searchParams;
  queue.set(Object.fromEntries(FILTERS.map((name) => [name, address.get(name) || ""])));
  showView(address.get("tab") || "cases");
  await queue.load();
  if (!address.get("case")) return;
  const [from, to] = [address.get("start"), address.get("end")].map((text) => Number.parseInt(text, 10));
  const part = address.get("part") === "answer" ? "answer" : "thinking";
  openCase(address.get("case"), from < to ? { part, start: from, end: to } : null);
}

q("annotator").value = me.name;
q("annotator").addEventListener("change", rename);
q("annotator").addEventListener("keydown", (event) => event.key === "Enter" && !event.ctrlKey && rename());
q("keys").replaceChildren(...KEYS.map((text) => node("p", "", text)));
q("back").addEventListener("click", closeCase);
q("previous").addEventListener("click", () => go(0));
q("next").addEventListener("click", () => go(1));
element.querySelectorAll("[data-tab]").forEach((tab, i, all) => {
  tab.addEventListener("click", () => {
    showView(tab.dataset.tab);
    showAddress(view === "cases" && pane.isShown ? pane.value.id : "", true);
  });
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.stopPropagation();
    const next = all[(i + step + all.length) % all.length];
    next.focus();
    next.click();
  });
});
document.addEventListener("keydown", onKey);
// A bar of the summary asks for the cases behind it.
document.addEventListener("m1-annotate-filter", ({ detail }) => {
  queue.set(detail);
  pane.isShown = false;
  showView("cases");
  showAddress("", true);
  queue.load();
});

function take() {
  const { number, reply } = props.value || {};
  if (!reply) return;
  if (number) settle(number, JSON.parse(reply));
  else if (!hasStarted) start(JSON.parse(reply));
}
watch("value", take);
take();
