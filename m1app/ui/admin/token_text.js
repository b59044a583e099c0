// What a token says, with everything in it that would not be seen, or would turn the text around it.

/** @type {Record<string, string>} */
const SIGNS = { "\n": "↵", "\t": "⇥", " ": "·" };

/** @param {string} text */
export const visible = (text) =>
  text.replace(/[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (found) => SIGNS[found] ?? `‹${codeOf(found)}›`);

/** @param {string} character */
const codeOf = (character) => `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
