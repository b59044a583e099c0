// Jobs: a list that is painted anew row by row, so that nothing jumps, and one job in detail.
const filters = q("filters");
let view = { number: 0, state: "", text: "", job: "" };
let detail = null;

function showAddress() {
  const url = new URL(window.location.href);
  const wanted = view.job ? `?job=${view.job}` : "";
  if (url.search === wanted || (!view.job && !url.searchParams.has("job"))) return;
  url.search = wanted;
  window.history.replaceState(null, "", url);
}
function look(changes) {
  view = { ...view, ...changes, number: view.number + 1 };
  say("notice", "");
  trigger("look", view);
  showAddress();
}
function act(action, value) {
  view = { ...view, number: view.number + 1 };
  say("notice", "");
  trigger("act", { action, job: view.job, value, view });
}

const STATES = { queued: "Queued", running: "Running", stopping: "Stopping", succeeded: "Succeeded", failed: "Failed", stopped: "Stopped", lost: "Lost" };
const stateName = (state) => STATES[state] || state;
function setMeter(meter, share) {
  meter.style.setProperty("--share", share ?? 0);
  meter.hidden = share === null;
  meter.setAttribute("aria-valuenow", Math.round((share ?? 0) * 100));
}

// The list: a row stays the same element for as long as its job is shown.
function newRow(id) {
  const row = node("tr");
  row.dataset.job = id;
  const link = node("a");
  link.href = `/admin/?job=${id}`;
  const name = node("td", "m1-stem");
  name.append(link);
  const state = node("td");
  state.append(node("span", "m1-badge"));
  const progress = node("td", "m1-job-cell");
  const meter = node("div", "m1-meter");
  progress.append(meter, node("span", "m1-number"));
  row.append(name, state, progress, node("td", "m1-number m1-quiet-cell"));
  return row;
}
function paintRow(row, job) {
  const [name, state, progress, created] = row.children;
  setText(name.firstChild, job.name);
  setText(state.firstChild, stateName(job.state));
  state.firstChild.dataset.state = job.state;
  setMeter(progress.firstChild, job.share);
  setText(progress.lastChild, job.progress || (job.priority ? `priority ${job.priority}` : ""));
  setText(created, new Date(job.created).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }));
  const isChosen = job.id === view.job;
  row.classList.toggle("is-chosen", isChosen);
  if (isChosen) name.firstChild.setAttribute("aria-current", "true");
  else name.firstChild.removeAttribute("aria-current");
}
function paintRows(jobs) {
  const body = q("rows");
  const known = new Map([...body.children].map((row) => [row.dataset.job, row]));
  jobs.forEach((job, place) => {
    const row = known.get(job.id) || newRow(job.id);
    known.delete(job.id);
    paintRow(row, job);
    if (body.children[place] !== row) body.insertBefore(row, body.children[place] || null);
  });
  known.forEach((row) => row.remove());
  q("table").hidden = !jobs.length;
}

function paintFiles(job) {
  const text = JSON.stringify([job.id, job.artifacts]);
  if (q("files").dataset.shown === text) return;
  q("files").dataset.shown = text;
  q("files-box").hidden = !job.artifacts.length;
  q("files").replaceChildren(
    ...job.artifacts.map(([name, size]) => {
      const item = node("li");
      const link = node("a", "", name);
      link.href = `/admin/jobs/${job.id}/artifacts/${name.split("/").map(encodeURIComponent).join("/")}`;
      link.download = "";
      item.append(link, node("span", "m1-quiet-cell", ` ${size}`));
      return item;
    }),
  );
}
// The log follows its end, as long as nobody has scrolled away from it.
function paintLog(text, isNew) {
  const log = q("log");
  const isAtEnd = isNew || log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  setText(log, text || "Nothing yet.");
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}
function paintDetail(job) {
  q("job").hidden = !job;
  q("none").hidden = Boolean(job);
  const isNew = job?.id !== detail?.id;
  detail = job;
  if (!job) return;
  setText(q("name"), job.name);
  setText(q("state"), stateName(job.state));
  q("state").dataset.state = job.state;
  setMeter(q("meter"), job.share);
  say("progress", job.progress);
  say("message", job.message);
  say("error", job.error);
  q("results").hidden = !job.run;
  q("results").href = `/benchmarks/?run=${job.run}`;
  for (const name of ["stop", "resume", "clone", "delete"]) q(name).hidden = !job[`can_${name}`];
  if (isNew || document.activeElement !== q("priority")) q("priority").value = job.priority;
  facts(q("facts"), [...job.facts, ...job.figures]);
  say("command", job.command);
  q("command-box").hidden = !job.command;
  paintTraining(job.training);
  paintFiles(job);
  q("log-link").href = `/admin/jobs/${job.id}/log.txt`;
  paintLog(job.log, isNew);
}

// Two questions at once may be answered in the other order; the page then asks for the newest view again.
let asking = 0;
function show() {
  const value = props.value || {};
  const shown = value.view || view;
  clearTimeout(asking);
  if (shown.number < view.number) {
    asking = setTimeout(() => trigger("look", view), 1000);
    return;
  }
  if (shown.number > view.number || shown.job !== view.job) {
    view = { ...shown };
    filters.elements.state.value = view.state;
    filters.elements.text.value = view.text;
    showAddress();
  }
  if (value.notice !== undefined) say("notice", value.notice);
  if (!value.rows) return;
  paintRows(value.rows);
  say("empty", value.empty);
  paintDetail(value.detail);
}

q("rows").addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-job]");
  if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  look({ job: row.dataset.job });
  if (window.matchMedia("(max-width: 1000px)").matches) q("detail").scrollIntoView({ block: "start" });
});
q("rows").addEventListener("keydown", (event) => {
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const next = step && event.target.closest("tr")?.[step];
  if (!next) return;
  event.preventDefault();
  next.querySelector("a").focus();
});
filters.addEventListener("submit", (event) => event.preventDefault());
filters.elements.state.addEventListener("change", (event) => look({ state: event.target.value }));
let typing = 0;
filters.elements.text.addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => look({ text: event.target.value }), 250);
});
q("stop").addEventListener("click", () => act("stop"));
q("resume").addEventListener("click", () => act("resume"));
q("clone").addEventListener("click", () => trigger("clone", { run: detail.run, job: detail.id, view }));
q("priority").addEventListener("change", (event) => act("priority", event.target.valueAsNumber || 0));
q("tuned-benchmark").addEventListener("click", () => trigger("benchmark", { models: detail.training.tuned.models }));
askTwice(q("delete"), "Delete with log and files?", () => act("delete"));
watch("value", show);
show();
