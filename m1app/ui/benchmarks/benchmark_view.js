// What is shown, and the address that keeps it. The values are texts, as in the address; an empty one is the default.
const DEFAULTS = {
  tab: "curves", rule: "strict", chart: "budget", set: "", model: "", rounds: "", budget: "", at: "", paper: "",
  of: "", before: "", after: "", other: "", cell: "", from: "", than: "", verdict: "", text: "", part: "",
  find: "", tag: "", archived: "",
};
// No "page", "view" or "deep_link": Gradio reads those itself.
const view = { ...DEFAULTS, runs: [] };
let chosen = [];

function readAddress() {
  const address = new URL(window.location.href).searchParams;
  Object.keys(DEFAULTS).forEach((name) => (view[name] = address.get(name) || DEFAULTS[name]));
  view.chart = view.chart in NOTES ? view.chart : DEFAULTS.chart;
  view.tab = view.tab in PANES ? view.tab : DEFAULTS.tab;
  view.runs = (address.get("run") || "").split(",").filter(Boolean);
}
function showAddress(isNew) {
  const url = new URL(window.location.href);
  const kept = Object.keys(DEFAULTS).filter((name) => view[name] !== DEFAULTS[name]);
  const values = kept.map((name) => `${name}=${encodeURIComponent(view[name])}`);
  // Commas stay readable: ids have none.
  url.search = [...(view.runs.length ? [`run=${view.runs.map(encodeURIComponent).join(",")}`] : []), ...values].join("&");
  if (url.href === window.location.href) return;
  window.history[isNew ? "pushState" : "replaceState"](null, "", url);
}

// What the chosen runs have between them.
const setsOf = (runs) => union(runs.map((run) => run.sets));
const modelsOf = (runs) => union(runs.map((run) => run.models));
const budgetsOf = (runs) => rising(runs.map((run) => run.budgets));
const roundsOf = (runs) => rising(runs.map((run) => run.rounds));
const hasMacro = (runs) => runs.some((run) => run.sets.length > 1);
const MACRO = "Macro average";
const EACH = "*";

// The question sets to draw a panel of; the server calls the macro average "".
function panelSets() {
  const sets = setsOf(chosen);
  const all = [...(hasMacro(chosen) ? [""] : []), ...sets];
  if (view.set === EACH) return all;
  if (sets.includes(view.set)) return [view.set];
  return hasMacro(chosen) ? [""] : sets;
}
// The run that transitions and questions are of: they compare answers to the same questions.
const oneRun = () => chosen.find((run) => run.id === view.of) || chosen[0];
const cellText = (cell) => {
  const [budget, rounds] = cell.split("-");
  return `${number(budget)} tokens, ${plural(Number(rounds), "round")}`;
};
const cellsOf = (run) => rising([run.rounds]).flatMap((rounds) => rising([run.budgets]).map((budget) => `${budget}-${rounds}`));
// A choice that the run at hand has; else the fallback.
const known = (value, choices, fallback) => (choices.includes(value) ? value : fallback);
