// The labels to choose from, by group, with a key each; what the one in question means stands in a fixed place.
const LABEL_KEYS = [..."1234567890", ..."abcdefghilmnopqrstuvwxyz"];

class Palette {
  constructor(onChange) {
    this.onChange = onChange;
    this.chosen = new Set();
    this.root = node("div", "m1-palette");
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "Labels");
    this.meaning = node("div", "m1-meaning");
    this.meaning.setAttribute("aria-live", "polite");
    this.boxes = new Map();
    this.keys = new Map();
    ["pointerover", "focusin"].forEach((kind) =>
      this.root.addEventListener(kind, (event) => {
        const id = event.target.closest("[data-label]")?.dataset.label;
        if (id) this.explain(id);
      }),
    );
  }
  fill(offered) {
    const groups = new Map();
    offered.forEach((label, i) => {
      if (!groups.has(label.group)) groups.set(label.group, []);
      groups.get(label.group).push(this.chip(label, LABEL_KEYS[i]));
    });
    this.root.replaceChildren(
      ...[...groups].map(([name, chips]) => {
        const group = node("div", "m1-palette-group");
        const row = node("div");
        row.append(...chips);
        group.append(node("span", "m1-palette-name", name), row);
        return group;
      }),
    );
    if (offered.length) this.explain(offered[0].id);
  }
  chip(label, key) {
    const chip = node("label", "m1-label-chip");
    chip.dataset.label = label.id;
    const box = node("input");
    box.type = "checkbox";
    box.addEventListener("change", () => this.toggle(label.id, box.checked));
    chip.append(box);
    if (key) {
      chip.append(node("kbd", "", key));
      this.keys.set(key, label.id);
      box.setAttribute("aria-keyshortcuts", key);
    }
    chip.append(node("span", "", label.name));
    this.boxes.set(label.id, box);
    return chip;
  }
  explain(id) {
    const label = labels.get(id);
    if (!label) return;
    const example = node("p");
    example.append(node("b", "", "Example: "), label.example);
    this.meaning.replaceChildren(
      node("h4", "", label.name),
      node("p", "", label.definition),
      example,
      node("p", "m1-quiet", `Source: ${label.source}`),
    );
  }
  toggle(id, isOn) {
    const chooses = isOn === undefined ? !this.chosen.has(id) : isOn;
    chooses ? this.chosen.add(id) : this.chosen.delete(id);
    this.explain(id);
    this.show();
    this.onChange();
  }
  press(key) {
    if (!this.keys.has(key)) return false;
    this.toggle(this.keys.get(key));
    return true;
  }
  set(ids) {
    this.chosen = new Set(ids);
    if (ids.length) this.explain(ids[0]);
    this.show();
  }
  show() {
    this.boxes.forEach((box, id) => (box.checked = this.chosen.has(id)));
    // A label that is no longer offered stays on the mark that has it.
    this.root.querySelectorAll(".is-retired").forEach((each) => each.remove());
    [...this.chosen].filter((id) => !this.boxes.has(id)).forEach((id) => {
      const kept = node("span", "m1-label-chip is-retired", `${labelName(id)} (no longer offered)`);
      kept.append(button("×", () => this.toggle(id, false), `Remove ${labelName(id)}`));
      this.root.append(kept);
    });
  }
}
