// The Benchmarks page's code begins here: the files of `benchmarks_page.py` are one program, in the order given there.
// Making elements, and asking the server. Everything that a model or a person wrote is set as text, never as HTML.
const link = (text, href, label) => {
  const made = node("a", "", text);
  made.href = href;
  if (label) made.setAttribute("aria-label", label);
  return made;
};
const number = (value) => Number(value).toLocaleString("en-US");
const plural = (count, one) => `${number(count)} ${one}${count === 1 ? "" : "s"}`;
const union = (lists) => [...new Set(lists.flat())];
const rising = (numbers) => union(numbers).sort((a, b) => a - b);
// Writes only what differs, so that a repaint of the same moves nothing.
const say = (made, text) => {
  if (made.textContent !== text) made.textContent = text;
};
const notice = (text) => {
  say(q("notice"), text || "");
  q("notice").hidden = !text;
};
// A table as the server describes it.
function table({ heads, first_number: firstNumber, rows }) {
  const made = node("table", "m1-table");
  const kind = (i) => (i >= firstNumber ? "m1-number" : "");
  const head = node("tr");
  head.append(...heads.map((text, i) => node("th", kind(i), text)));
  const body = node("tbody");
  rows.forEach(({ cells, kind: rowKind }) => {
    const row = node("tr", rowKind && `is-${rowKind}`);
    cells.forEach(({ text, title, mark }, i) => {
      const cell = node("td", kind(i), mark || title ? undefined : text);
      if (mark || title) cell.append(Object.assign(node("span", mark && `m1-${mark}`, text), { title }));
      row.append(cell);
    });
    body.append(row);
  });
  const top = node("thead");
  top.append(head);
  made.append(top, body);
  return made;
}
// Replaces what a select offers, as [value, text], and chooses one; leaves it alone when nothing changed.
function offer(box, choices, value) {
  const wanted = JSON.stringify(choices);
  if (box.dataset.offered !== wanted) {
    box.dataset.offered = wanted;
    box.replaceChildren(
      ...choices.map(([id, text]) => {
        const made = node("option", "", text);
        made.value = id;
        return made;
      }),
    );
  }
  if (box.value !== String(value)) box.value = value;
}

// One question to the server at a time: an answer comes as the component's value, and names its question.
const WAIT_MS = 30000;
const waiting = new Map();
let line = Promise.resolve();
let asked = 0;
const showBusy = () => element.firstElementChild.setAttribute("aria-busy", waiting.size > 0);
function ask(action, values) {
  const send = () =>
    new Promise((done) => {
      asked += 1;
      const late = { error: "The app does not answer. Look whether it still runs, then reload this page." };
      const timer = setTimeout(settle, WAIT_MS, asked, late);
      waiting.set(asked, { done, timer });
      showBusy();
      trigger("ask", { number: asked, action, values });
    });
  line = line.then(send);
  return line;
}
function settle(count, reply) {
  const question = waiting.get(count);
  if (!question) return;
  waiting.delete(count);
  clearTimeout(question.timer);
  question.done(reply);
  showBusy();
}
// Asks, and drops an answer that a later question of the same kind has overtaken.
const latest = {};
async function askLatest(kind, action, values) {
  const mine = (latest[kind] = (latest[kind] || 0) + 1);
  const reply = await ask(action, values);
  return mine === latest[kind] ? reply : null;
}
// A question before something that cannot be undone.
function confirm(title, text, yes) {
  say(q("dialog-title"), title);
  say(q("dialog-text"), text);
  say(q("dialog-yes"), yes);
  const dialog = q("dialog");
  dialog.returnValue = "";
  dialog.showModal();
  q("dialog-no").focus();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}
q("dialog-yes").addEventListener("click", () => q("dialog").close("yes"));
q("dialog-no").addEventListener("click", () => q("dialog").close(""));
