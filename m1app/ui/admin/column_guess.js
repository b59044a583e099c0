// What the columns of a file probably hold, by their names; only a first choice, which the person sees and changes.

/** @typedef {{ question: string, options: string[], answer: string, answer_base: string, tags: string[] }} Mapping */

const QUESTION =
  /^(question|question[ _-]?text|stem|prompt|input|query|item|frage|pregunta|domanda|pytanie|pergunta|vraag)$/i;
const ANSWER =
  /^(answer|answers?[ _-]?(key|idx|index|letter)|correct|correct[ _-]?(answer|option)|label|target|key|gold|solution|lösung|loesung|antwort|respuesta|réponse|risposta|resposta|antwoord)$/i;
const OPTION = /^(?:(?:opt|option|choice|answer|ans|op|ending)?[ _.-]?(?:[a-j]|[0-9])|[a-z][0-9])$/i;
const LISTED = /^(options|choices|answers|alternatives)$/i;
const TAG = /^(subject|category|topic|specialty|chapter|domain|fach|thema|tema|materia|matière)$/i;

/**
 * @param {[name: string, first: string][]} columns With the first value of each.
 * @returns {Mapping}
 */
export function guessMapping(columns) {
  const names = columns.map(([name]) => name);
  const lettered = names.filter((name) => OPTION.test(name));
  const listed = names.filter((name) => LISTED.test(name));
  const answer = names.find((name) => ANSWER.test(name)) ?? "";
  const first = columns.find(([name]) => name === answer)?.[1].trim() ?? "";
  return {
    question: names.find((name) => QUESTION.test(name)) ?? names[0] ?? "",
    options: lettered.length > 1 ? lettered : listed.slice(0, 1),
    answer,
    // A first answer of 0 can only be counted from 0; of other numbers the person knows.
    answer_base: /^\d+$/.test(first) ? (first === "0" ? "0" : "1") : "",
    tags: names.filter((name) => TAG.test(name)),
  };
}
