// Plotly, and the colours of the page's ground for what it draws.
let plotly = null;
// Loaded once, from this app, when the first chart is drawn.
function loadPlotly() {
  plotly ||= new Promise((done, fail) => {
    const script = node("script");
    script.src = "/plotly.min.js";
    script.addEventListener("load", () => done(window.Plotly));
    script.addEventListener("error", () => fail(new Error("The charts could not be loaded; reload the page.")));
    document.head.append(script);
  });
  return plotly;
}
const ink = (name) => getComputedStyle(element.firstElementChild).getPropertyValue(name).trim();
