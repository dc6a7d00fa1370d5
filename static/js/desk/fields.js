/**
 * A form's fields as the API takes them. Pure: from names, kinds and values to a JSON object.
 *
 * @typedef {{ name: string, kind: string, value: string, checked?: boolean }} Field
 */

/** @param {string} text @returns {string[]} */
const words = (text) => text.split(",").map((word) => word.trim()).filter(Boolean);

/** @type {Record<string, (value: string) => unknown>} */
const KINDS = {
  text: (value) => value.trim() || null,
  number: Number,
  list: words,
  bylines: (value) => words(value).map((name) => ({ name })),
  time: (value) => (value ? new Date(value).toISOString() : null),
};

/**
 * "image.src" goes into the object "image", which is null when it has no "src".
 * @param {Field[]} fields
 */
export function toBody(fields) {
  /** @type {Record<string, any>} */
  const body = {};
  for (const field of fields) {
    if (!field.name) continue;
    const value = field.checked === undefined ? (KINDS[field.kind] ?? KINDS.text)(field.value) : field.checked;
    const [outer, inner] = field.name.split(".");
    if (inner) (body[outer] ??= {})[inner] = value;
    else body[outer] = value;
  }
  if (body.image && !body.image.src) body.image = null;
  return body;
}

/**
 * The fields of a form.
 * @param {HTMLFormElement} form
 * @returns {Field[]}
 */
export function fieldsOf(form) {
  const found = [];
  for (const element of form.elements) {
    if (element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement) {
      const box = element instanceof HTMLInputElement && element.type === "checkbox";
      found.push({ name: element.name, kind: element.dataset.as ?? "text", value: element.value, checked: box ? element.checked : undefined });
    }
  }
  return found;
}

/**
 * Text put into a textarea's content: the new content, and where the caret goes.
 * @param {string} text
 * @param {number} start of the selection
 * @param {number} end
 * @param {string} before
 * @param {string} after
 * @param {boolean} line whether it begins a paragraph
 */
export function inserted(text, start, end, before, after, line) {
  const head = text.slice(0, start);
  const gap = line && head && !head.endsWith("\n\n") ? (head.endsWith("\n") ? "\n" : "\n\n") : "";
  const middle = text.slice(start, end);
  const caret = head.length + gap.length + before.length + middle.length;
  return { text: head + gap + before + middle + after + text.slice(end), caret };
}
