/** One line for everything that happened, read out politely. */

/** @param {string} text */
export function say(text) {
  const line = document.getElementById("said");
  if (line) line.textContent = text;
}

/**
 * Shows what is wrong, at the form and at its fields.
 * @param {HTMLElement | null} place
 * @param {import("./api.js").Answer | null} answer
 * @param {HTMLFormElement} [form]
 */
export function complain(place, answer, form) {
  for (const field of form?.querySelectorAll('[aria-invalid="true"]') ?? []) field.removeAttribute("aria-invalid");
  if (!place) return;
  place.hidden = !answer;
  if (!answer) return;
  const details = answer.errors.map((error) => `${error.pointer.slice(1)} ${error.detail}`);
  place.textContent = [answer.detail, ...details].join(" ");
  for (const error of answer.errors) {
    const name = error.pointer.slice(1).replace("/", ".").replace(/\/\d+.*/, "");
    const field = form?.elements.namedItem(name);
    if (field instanceof HTMLElement) field.setAttribute("aria-invalid", "true");
  }
}
