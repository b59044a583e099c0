// What holds the page together: the tabs, the boxes of each view, and the look at what runs.
const POLL_MS = 2000;
const PANES = { curves: showCurves, table: showReadings, transitions: showTransitions, questions: showQuestions };
// A box shows one value of the view; two boxes may share one.
const VALUE_OF = { "one-model": "model", "one-set": "set" };

function offerAll() {
  const boxes = (name) => element.querySelectorAll(`select[data-view="${name}"]`);
  const put = (name, choices, value) => boxes(name).forEach((box) => offer(box, choices, value));
  const any = (text, values, words = String) => [["", text], ...values.map((value) => [String(value), words(value)])];
  const sets = setsOf(chosen);
  const whole = hasMacro(chosen) ? [["", MACRO]] : sets.length > 1 ? [["", "All"]] : [];
  const setChoices = [...whole, ...(hasMacro(chosen) ? [[EACH, "Each set"]] : []), ...sets.map((name) => [name, name])];
  put("set", setChoices, known(view.set, setChoices.map(([id]) => id), setChoices[0][0]));
  put("model", any("All", modelsOf(chosen)), known(view.model, modelsOf(chosen), ""));
  const rounds = roundsOf(chosen).map(String);
  put("rounds", any("All", rounds), known(view.rounds, rounds, ""));
  const budgets = budgetsOf(chosen).map(String);
  put("budget", any("All", budgets, number), known(view.budget, budgets, ""));
  put("at", budgets.map((budget) => [budget, `${number(budget)} tokens`]), known(view.at, budgets, budgets[budgets.length - 1]));
  offerOfOneRun(put, any);
  element.querySelectorAll('input[type="checkbox"][data-view]').forEach((box) => (box.checked = view[box.dataset.view] === "1"));
  element.querySelectorAll('input[type="search"][data-view]').forEach((box) => document.activeElement !== box && (box.value = view[box.dataset.view]));
  ["rule", "chart"].forEach((name) => q(name).querySelectorAll("input").forEach((each) => (each.checked = each.value === view[name])));
  q("rounds-box").hidden = view.chart === "rounds";
  q("budget-box").hidden = view.chart !== "rounds";
  q("paper-box").hidden = view.chart !== "budget";
}
function offerOfOneRun(put, any) {
  const run = oneRun();
  const cells = cellsOf(run).map((cell) => [cell, cellText(cell)]);
  const flow = transitionChoice();
  const questions = questionChoice();
  put("of", chosen.map((each) => [each.id, each.name]), run.id);
  ["of-box", "of-box-2"].forEach((name) => (q(name).hidden = chosen.length < 2));
  put("one-model", run.models.map((name) => [name, name]), flow.model);
  put("one-set", run.sets.length > 1 ? any("All sets", run.sets) : run.sets.map((name) => [name, name]), run.sets.length > 1 ? flow.set : run.sets[0]);
  put("other", [["", "the same model"], ...run.models.filter((name) => name !== flow.model).map((name) => [name, name])], flow.other);
  q("other-box").hidden = run.models.length < 2;
  put("before", cells, flow.before);
  put("after", cells, flow.after);
  put("cell", cells, questions.cell);
  put("from", [["", "nothing"], ...cells], questions.from);
  put("than", any("the same model", run.models), questions.than);
  q("than-box").hidden = run.models.length < 2 || !questions.from;
  put("verdict", questions.verdicts, questions.verdict);
}
async function showPane() {
  element.querySelectorAll("[data-tab]").forEach((tab) => {
    const isChosen = tab.dataset.tab === view.tab;
    tab.setAttribute("aria-selected", isChosen);
    tab.tabIndex = isChosen ? 0 : -1;
  });
  element.querySelectorAll("[data-pane]").forEach((pane) => (pane.hidden = pane.dataset.pane !== view.tab));
  if (!chosen.length) return;
  offerAll();
  await PANES[view.tab]();
}

let typing;
element.addEventListener("input", ({ target }) => {
  const name = VALUE_OF[target.dataset.view] || target.dataset.view || { "m1-rule": "rule", "m1-chart": "chart" }[target.name];
  if (!name || !(name in DEFAULTS)) return;
  view[name] = target.type === "checkbox" ? (target.checked ? "1" : "") : target.value;
  if (view.tab === "questions") view.part = "";
  const isTyped = target.type === "search";
  clearTimeout(typing);
  typing = setTimeout(() => {
    showAddress(!isTyped);
    notice("");
    showPane();
  }, isTyped ? 300 : 0);
});
element.querySelectorAll("[data-tab]").forEach((tab, i, all) => {
  tab.addEventListener("click", () => {
    view.tab = tab.dataset.tab;
    showAddress(true);
    showPane();
  });
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const next = all[(i + step + all.length) % all.length];
    next.focus();
    next.click();
  });
});
q("copy").addEventListener("click", async () => {
  if (!view.runs.length) view.runs = chosenIds();
  showAddress(false);
  try {
    await navigator.clipboard.writeText(window.location.href);
    say(q("copy"), "Copied");
  } catch {
    say(q("copy"), "Copy failed");
  }
  setTimeout(() => say(q("copy"), "Copy link"), 1500);
});

// Every other second: has any run moved? Only then is anything painted.
function look() {
  if (!document.hidden && !waiting.size && !edited) refresh();
}
async function start() {
  readAddress();
  runsFilter.elements.find.value = view.find;
  runsFilter.elements.tag.value = view.tag;
  runsFilter.elements.archived.checked = view.archived === "1";
  await loadRuns();
  await showPane();
  setInterval(look, POLL_MS);
}
function take() {
  const { number, reply } = props.value || {};
  if (number) settle(number, JSON.parse(reply));
}
watch("value", take);
start();
