// The chosen runs one by one: how they stand, what they cost, downloads; rename, tag, archive, delete.
let edited = null; // [run id, "name" or "tags"] while a field is open: a repaint must not close it.

function showChosen() {
  const text = JSON.stringify(chosen);
  if (edited && chosen.some((run) => run.id === edited[0])) return;
  if (q("chosen").dataset.shown === text) return;
  q("chosen").dataset.shown = text;
  q("chosen").replaceChildren(...chosen.map(chosenRun));
  q("results").hidden = !chosen.length;
}
function chosenRun(run) {
  const made = node("article", "m1-chosen-run");
  made.dataset.chosen = run.id;
  const head = node("div", "m1-chosen-head");
  head.append(node("h3", "", run.name), stateWords(run), node("span", "m1-number", `${run.progress} questions`), tagChips(run));
  if (run.failed) head.append(node("span", "m1-failed m1-number", `${number(run.failed)} failed`));
  const meter = node("div", "m1-meter");
  meter.style.setProperty("--share", run.share);
  meter.setAttribute("role", "progressbar");
  meter.setAttribute("aria-label", `Questions of ${run.name}`);
  meter.setAttribute("aria-valuenow", Math.round(run.share * 100));
  made.append(head);
  if (run.is_live) made.append(meter);
  if (run.error) made.append(node("p", "m1-notice", run.error));
  made.append(node("p", "m1-quiet m1-number", run.facts), tools(run, head));
  return made;
}
function tools(run, head) {
  const made = node("div", "m1-links m1-run-tools");
  const files = [["CSV", "csv"], ["Parquet", "parquet"], ["Report", "html"]].map(([text, ending]) => {
    const file = link(text, `/benchmark-runs/${run.id}.${ending}`, `Download ${text} of ${run.name}`);
    file.download = "";
    return file;
  });
  made.append(node("span", "m1-quiet", "Download"), ...files, node("span", "m1-quiet", "·"));
  made.append(
    button("Rename", () => edit(run, "name", head), `Rename ${run.name}`),
    button("Tags", () => edit(run, "tags", head), `Tags of ${run.name}`),
    button(run.is_archived ? "Take back" : "Archive", () => change("archive", { run: run.id, is_archived: !run.is_archived }), `${run.is_archived ? "Take back" : "Archive"} ${run.name}`),
    button("Delete", () => remove(run), `Delete ${run.name}`),
  );
  return made;
}
function edit(run, what, head) {
  edited = [run.id, what];
  const form = node("form", "m1-edit");
  const field = Object.assign(node("input"), { type: "text", value: what === "name" ? run.name : run.tags.join(", "), maxLength: 200 });
  const label = what === "name" ? "Name" : "Tags, with commas between";
  const named = node("label", "m1-field m1-inline", label);
  named.append(field);
  const close = () => {
    edited = null;
    q("chosen").dataset.shown = "";
    showChosen();
  };
  form.append(named, Object.assign(button("Save", () => {}), { type: "submit" }), button("Cancel", close));
  form.addEventListener("keydown", (event) => event.key === "Escape" && close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    change(what === "name" ? "rename" : "tag", { run: run.id, [what]: field.value });
  });
  head.replaceChildren(form);
  field.focus();
  field.select();
}
async function change(action, values) {
  const reply = await ask(action, values);
  if (reply.error) return notice(reply.error);
  // A run that was put away stays in sight until another is chosen.
  if (!view.runs.length) view.runs = chosenIds();
  edited = null;
  q("chosen").dataset.shown = "";
  stamp = "";
  showAddress(false);
  await refresh();
}
async function remove(run) {
  const text = `${run.name}: its results and its sweeps with all their answers are deleted, and cannot be brought back. Its questions stay.`;
  if (!(await confirm("Delete this run?", text, "Delete the run"))) return;
  const left = chosenIds().filter((id) => id !== run.id);
  const reply = await ask("delete", { run: run.id });
  if (reply.error) return notice(reply.error);
  await choose(left);
}
