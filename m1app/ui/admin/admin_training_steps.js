// What each step of a curation, or of rendering, did: counts, and behind them examples and pairs.
function stepNode(step) {
  const box = node(step.examples.length || step.pairs.length ? "details" : "div", "m1-details m1-step");
  const head = node(box.tagName === "DETAILS" ? "summary" : "p");
  head.append(node("b", "", step.name), node("span", step.dropped ? "m1-number" : "m1-number m1-quiet-cell", ` ${step.counts}`), node("span", "m1-quiet-cell", ` · ${step.title}`));
  const list = node("ul", step.pairs.length ? "m1-pairs" : "");
  step.pairs.forEach(([here, there, share]) => {
    const item = node("li");
    item.append(node("b", "m1-number", share), node("p", "", here), node("p", "", there));
    list.append(item);
  });
  step.examples.forEach((text) => list.append(node("li", "", text)));
  box.append(head);
  if (list.childElementCount) box.append(list);
  return box;
}
