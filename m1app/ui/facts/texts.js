// What the arms of a fact test wrote from the cut on, side by side.
import { node } from "../shell/elements.js";

/** @typedef {{ letter: string, thinking: string, answer: string, is_cut_off: boolean }} ArmText */

/**
 * @param {HTMLElement} pane
 * @param {import("./view.js").Arm[]} arms
 * @param {ArmText[]} texts
 */
export function showTexts(pane, arms, texts) {
  pane.replaceChildren(
    ...arms.map((arm) => {
      const text = texts.find((each) => each.letter === arm.letter);
      const column = node("section", "m1-fact-text");
      column.setAttribute("aria-label", `${arm.letter}. ${arm.title}`);
      const thinking = node("p", "m1-fact-thinking");
      thinking.dir = "auto";
      if (arm.inserted) thinking.append(node("ins", "", arm.inserted));
      thinking.append(text?.thinking ?? "");
      const answer = node("p", "m1-fact-answer", text?.answer || "No answer yet.");
      answer.dir = "auto";
      column.append(node("h4", "", `${arm.letter}. ${arm.title}`), thinking, answer);
      if (text?.is_cut_off) column.append(node("p", "m1-quiet", "Cut off here. The downloads have the full text."));
      return column;
    }),
  );
}
