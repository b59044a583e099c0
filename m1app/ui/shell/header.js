// What is running: engine, model, tokens per second. All texts are set as text.
const set = (name, text) => {
  if (q(name).textContent !== text) q(name).textContent = text;
};
function show() {
  const value = props.value || {};
  q("dot").dataset.state = value.state || "";
  set("engine", value.label || "Engine");
  set("work", value.work || "");
  set("message", value.message || "");
  set("demo", value.demo || "");
  set("log", value.log || "");
  q("restart").hidden = !value.can_restart;
  q("stop").hidden = !value.can_stop;
  set("restart", value.restart || "");
  const facts = JSON.stringify(value.facts || []);
  if (q("facts").dataset.shown !== facts) {
    q("facts").dataset.shown = facts;
    q("facts").replaceChildren(
      ...(value.facts || []).flatMap(([name, text]) => {
        const dt = document.createElement("dt");
        const dd = document.createElement("dd");
        dt.textContent = name;
        dd.textContent = text;
        return [dt, dd];
      }),
    );
  }
}
const here = window.location.pathname.replace(/\/*$/, "/");
element.querySelectorAll(".m1-nav a").forEach((link) => {
  if (link.getAttribute("href") === here) link.setAttribute("aria-current", "page");
});
q("restart").addEventListener("click", () => trigger("restart_engine", {}));
q("stop").addEventListener("click", () => trigger("stop_engine", {}));
watch("value", show);
show();
