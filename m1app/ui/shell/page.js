// Runs once when a page loads: keyboard, dark mode, and, on going back, the trace in the address.

/** @param {string} id Of a button; on the Compare page it is prefixed. */
function press(id) {
  const button = document.querySelector(`#${id}, #compare-${id}`);
  if (button instanceof HTMLButtonElement && !button.disabled) button.click();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    // Gradio commits a typed value when the field loses focus.
    document.activeElement?.dispatchEvent(new Event("change", { bubbles: true }));
    setTimeout(press, 60, "run");
  }
  const isElsewhere = event.target instanceof Element && event.target.closest("ul, [role=listbox], [role=dialog]");
  if (event.key === "Escape" && !isElsewhere) press("stop");
});

document.addEventListener("click", (event) => {
  if (event.target instanceof Element && event.target.closest("[data-toggle-dark]")) {
    const isDark = document.body.classList.toggle("dark");
    localStorage.setItem("m1-dark", isDark ? "1" : "0");
  }
});

const wished = localStorage.getItem("m1-dark");
if (wished !== null) document.body.classList.toggle("dark", wished === "1");
window.addEventListener("popstate", () => window.location.reload());
