/** What is typed into a form, kept at each key until it is saved: a closed tab loses nothing. */
import { fieldsOf } from "./fields.js";

/** @typedef {{ version?: number, fields: import("./fields.js").Field[] }} Kept `version`: of the record it was written over */

/**
 * @param {HTMLFormElement} form
 * @param {string} name
 * @param {number} [version]
 */
export function keep(form, name, version) {
  localStorage.setItem(name, JSON.stringify({ version, fields: fieldsOf(form) }));
}

/** @param {string} name */
export function forget(name) {
  localStorage.removeItem(name);
}

/** @param {string} name @returns {Kept | null} */
export function keptAs(name) {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "null");
  } catch {
    return null;
  }
}

/**
 * Writes fields back into a form.
 * @param {HTMLFormElement} form
 * @param {import("./fields.js").Field[]} fields
 */
export function putBack(form, fields) {
  for (const field of fields) {
    const input = form.elements.namedItem(field.name);
    if (input instanceof HTMLInputElement && input.type === "checkbox") input.checked = field.checked ?? false;
    else if (input instanceof HTMLInputElement || input instanceof HTMLTextAreaElement || input instanceof HTMLSelectElement) input.value = field.value;
  }
}
