// Below the form: the equal command line, and what a dry run found.
function show() {
  const value = props.value || {};
  say("command", value.command);
  q("copy").hidden = !value.command;
  say("hint", value.hint);
  const estimate = value.estimate || [];
  q("estimate").hidden = !estimate.length;
  facts(q("facts"), estimate);
}
q("copy").addEventListener("click", () => copyText(q("command").textContent, q("copy")));
watch("value", show);
show();
