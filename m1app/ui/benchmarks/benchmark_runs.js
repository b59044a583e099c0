// The table of runs: filter, choose one or several to compare.
let stamp = "";
let hasScrolled = false;
const runsQuestion = () => ({ find: view.find, tag: view.tag, archived: view.archived === "1", runs: view.runs });

async function loadRuns() {
  const reply = await askLatest("runs", "runs", { ...runsQuestion(), stamp });
  if (!reply || reply.is_same) return false;
  if (reply.error) {
    notice(reply.error);
    return false;
  }
  notice(reply.problem);
  stamp = reply.stamp;
  const isFiltered = Boolean(view.find || view.tag || view.archived);
  q("empty").hidden = reply.runs.length > 0 || reply.chosen.length > 0 || isFiltered;
  q("runs-section").hidden = !q("empty").hidden;
  // Without a choice of one's own the newest run is shown; the address keeps it once something is chosen.
  chosen = reply.chosen.length || view.runs.length ? reply.chosen : reply.runs.slice(0, 1);
  showRuns(reply);
  return true;
}
function showRuns({ runs, is_cut: isCut }) {
  const focused = document.activeElement?.closest?.("[data-run]")?.dataset.run;
  q("runs").replaceChildren(...runs.map(runRow));
  if (focused) q("runs").querySelector(`[data-run="${CSS.escape(focused)}"] input`)?.focus({ preventScroll: true });
  const none = "No run fits the filter.";
  say(q("runs-note"), isCut ? `The newest ${runs.length} are shown; filter to find older ones.` : runs.length ? plural(runs.length, "run") : none);
  q("tags").replaceChildren(...union(runs.map((run) => run.tags)).map((tag) => Object.assign(node("option"), { value: tag })));
  showChosen();
  // The first of the chosen runs is in sight when the page opens.
  const first = q("runs").querySelector(".is-chosen");
  if (!hasScrolled && first) {
    hasScrolled = true;
    first.closest(".m1-runs").scrollTop = first.offsetTop - 60;
  }
}
function runRow(run) {
  const row = node("tr", chosen.some((each) => each.id === run.id) ? "is-chosen" : "");
  row.dataset.run = run.id;
  const box = Object.assign(node("input"), { type: "checkbox", checked: row.className !== "" });
  box.setAttribute("aria-label", `Compare ${run.name}`);
  box.addEventListener("change", () => {
    const others = chosenIds().filter((id) => id !== run.id);
    choose(box.checked ? [...others, run.id] : others);
  });
  const name = link(run.name, `?run=${run.id}`);
  name.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose([run.id]);
  });
  const cell = (content, className) => {
    const made = node("td", className);
    made.append(content);
    row.append(made);
  };
  cell(box);
  cell(name, "m1-run-name");
  cell(stateWords(run));
  cell(run.failed ? `${run.progress}, ${number(run.failed)} failed` : run.progress, "m1-number");
  cell(run.sets.join(", "), "m1-list");
  cell(run.models.join(", "), "m1-list");
  cell(range(run.budgets));
  cell(range(run.rounds));
  cell(run.created, "m1-number");
  cell(tagChips(run));
  return row;
}
const range = (numbers) => (numbers.length > 2 ? `${number(numbers[0])} – ${number(numbers[numbers.length - 1])}` : numbers.map(number).join(", "));
function stateWords(run) {
  const made = node("span", "m1-run-state", run.state_label + (run.is_archived ? ", archived" : ""));
  made.dataset.state = run.state;
  return made;
}
function tagChips(run) {
  const made = node("span", "m1-run-tags");
  made.append(...run.tags.map((tag) => node("span", "m1-tag", tag)));
  return made;
}
// Whoever asks for the runs paints what is below them too: an answer may bring a choice that was made meanwhile.
async function refresh() {
  const before = JSON.stringify(chosen);
  if ((await loadRuns()) && JSON.stringify(chosen) !== before) await showPane();
}
// A name shows its run alone, a box adds its run to those shown or takes it away.
async function choose(ids) {
  view.runs = ids;
  showAddress(true);
  stamp = "";
  await refresh();
}
const chosenIds = () => chosen.map((run) => run.id);
const runsFilter = q("runs-filter");
runsFilter.addEventListener("submit", (event) => event.preventDefault());
let typingRuns;
runsFilter.addEventListener("input", ({ target }) => {
  view[target.name] = target.type === "checkbox" ? (target.checked ? "1" : "") : target.value.trim();
  clearTimeout(typingRuns);
  typingRuns = setTimeout(() => {
    showAddress(false);
    stamp = "";
    refresh();
  }, target.type === "checkbox" ? 0 : 300);
});
