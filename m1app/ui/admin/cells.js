// Cells of the Admin page's lists: labels for windows too narrow for the list's head.

/**
 * @template {HTMLElement} Cell
 * @param {string} label
 * @param {Cell} cell
 */
export function labelled(label, cell) {
  cell.dataset.label = label;
  return cell;
}
