// Saves a drawing as a file, with styles and background inlined so that it looks the same in any program.
import { node, saveFile } from "../shell/elements.js";
import { svg } from "../shell/svg.js";

const STYLES = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "font-size",
  "font-family",
  "font-weight",
  "text-anchor",
  "dominant-baseline",
  "fill-opacity",
];

/** @param {SVGSVGElement} drawing */
function standalone(drawing) {
  const copy = /** @type {SVGSVGElement} */ (drawing.cloneNode(true));
  const copies = copy.querySelectorAll("*");
  drawing.querySelectorAll("*").forEach((original, i) => {
    const style = getComputedStyle(original);
    for (const name of STYLES) copies[i].setAttribute(name, style.getPropertyValue(name));
  });
  const { width, height } = drawing.viewBox.baseVal;
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  const paper = getComputedStyle(drawing).getPropertyValue("--m1-paper").trim();
  copy.prepend(svg("rect", { width, height, fill: paper }));
  return new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
}

/**
 * @param {SVGSVGElement} drawing
 * @param {string} name Without extension.
 */
export function saveSvg(drawing, name) {
  saveFile(standalone(drawing), `${name}.svg`);
}

/**
 * @param {SVGSVGElement} drawing
 * @param {string} name
 */
export async function savePng(drawing, name) {
  const image = new Image();
  const url = URL.createObjectURL(standalone(drawing));
  image.src = url;
  await image.decode();
  const canvas = node("canvas");
  canvas.width = image.width * 2;
  canvas.height = image.height * 2;
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(url);
  canvas.toBlob((blob) => blob && saveFile(blob, `${name}.png`), "image/png");
}
