// What the checks found.
function show() {
  const value = props.value || {};
  q("run").disabled = false;
  setText(q("run"), "Run checks");
  say("error", value.error);
  q("findings").replaceChildren(
    ...(value.findings || []).map(([name, isGood, detail]) => {
      const item = node("li");
      item.dataset.good = isGood;
      item.append(node("b", "", `${isGood ? "✓" : "✗"} ${name}`), node("span", "", detail));
      return item;
    }),
  );
}
q("run").addEventListener("click", () => {
  q("run").disabled = true;
  setText(q("run"), "Checking…");
  trigger("examine", {});
});
watch("value", show);
show();
