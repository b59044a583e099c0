// The engine in use, and the models that there are.
function modelRow(model) {
  const row = node("tr");
  const name = node("td", "", model.title);
  name.title = `${model.id}, ${model.licence}`;
  const place = node("td");
  const badge = node("span", "m1-badge", model.place);
  badge.dataset.state = { "in use": "succeeded", "on disk": "queued" }[model.place] || "";
  place.append(badge);
  row.append(name, node("td", "m1-number-left", model.parameters), place, node("td", "m1-number", model.size));
  return row;
}
function show() {
  const value = props.value || {};
  if (!value.state) return;
  q("dot").dataset.state = value.state;
  setText(q("label"), value.label);
  say("message", value.message);
  q("restart").hidden = !value.can_restart;
  q("stop").hidden = !value.can_stop;
  setText(q("restart"), value.restart);
  facts(q("facts"), value.facts);
  say("served", value.served.length ? `Served now: ${value.served.join(", ")}` : "");
  const models = JSON.stringify(value.models);
  if (q("models").dataset.shown !== models) {
    q("models").dataset.shown = models;
    q("models").replaceChildren(...value.models.map(modelRow));
  }
  q("log-box").hidden = !value.log;
  const log = q("log");
  const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  setText(log, value.log || "");
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}
q("restart").addEventListener("click", () => trigger("restart_engine", {}));
askTwice(q("stop"), "Stop what it generates?", () => trigger("stop_engine", {}));
watch("value", show);
show();
