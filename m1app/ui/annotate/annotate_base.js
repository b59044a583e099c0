// The Annotate page's code begins here: the files of `annotate_page.py` are one program, in the order given there.
// Making elements, and asking the server. Everything that a model or a person wrote is set as text, never as HTML.
const option = (value, text) => {
  const made = node("option", "", text);
  made.value = value;
  return made;
};
const plural = (count, one, many) => `${count.toLocaleString("en-US")} ${count === 1 ? one : many || `${one}s`}`;
const notice = (text) => {
  q("notice").textContent = text || "";
  q("notice").hidden = !text;
};
// What went wrong stands at its field where there is one, else above the page.
function problem(scope, error) {
  element.querySelectorAll("[data-problem]").forEach((each) => (each.textContent = ""));
  notice("");
  if (!error) return;
  const place =
    scope?.querySelector(`[data-problem="${error.field}"]`) || element.querySelector(`.m1-annotate-bar [data-problem="${error.field}"]`);
  if (!place) return notice(error.message);
  place.textContent = error.message;
  place.scrollIntoView({ block: "nearest" });
}
// A button that asks before it acts: the first press changes its words, the second acts.
const twice = (text, sure, act, label) => {
  let isSure = false;
  const made = button(text, () => {
    if (isSure) return act();
    isSure = true;
    made.textContent = sure;
    setTimeout(() => {
      isSure = false;
      made.textContent = text;
    }, 6000);
  }, label);
  return made;
};

// One question to the server at a time: an answer comes as the component's value, and names its question.
const WAIT_MS = 20000;
const waiting = new Map();
let line = Promise.resolve();
let asked = 0;
const LATE = { error: { field: "", message: "The app does not answer. What you typed is still here; try again in a moment." } };

const showBusy = () => element.firstElementChild.setAttribute("aria-busy", waiting.size > 0);
function ask(action, values) {
  const send = () =>
    new Promise((done) => {
      asked += 1;
      const timer = setTimeout(settle, WAIT_MS, asked, LATE);
      waiting.set(asked, { done, timer });
      showBusy();
      trigger("ask", { number: asked, action, annotator: me.name, values: values || {} });
    });
  line = line.then(send);
  return line;
}
function settle(number, reply) {
  const question = waiting.get(number);
  if (!question) return;
  waiting.delete(number);
  clearTimeout(question.timer);
  question.done(reply);
  showBusy();
}

// Who annotates: a name that the browser remembers.
const me = { name: (localStorage.getItem("m1-annotator") || "").trim() };
function named() {
  if (me.name) return true;
  problem(null, { field: "annotator", message: "Give your name first: marks are kept under it." });
  q("annotator").focus();
  return false;
}
const isTyping = (target) => Boolean(target?.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select"));
let labels = new Map();
let severities = [];
const labelName = (id) => labels.get(id)?.name || id;
