/**
 * A form's fields as the API takes them, and back. Pure, but for the two functions that touch a form.
 *
 * @typedef {{ name: string, kind: string, value: string, checked?: boolean }} Field
 * @typedef {Record<string, any>} Body what the API takes, or a record as it gives it
 * @typedef {{ read: (value: string) => unknown, write: (value: any) => string }} Kind
 */

/** @param {string} text @param {string | RegExp} mark @returns {string[]} */
const parts = (text, mark) => text.split(mark).map((part) => part.trim()).filter(Boolean);

/** "Ada Quill (science editor)" @param {string} line */
const byline = (line) => {
  const found = /^(.*\S)\s*\((.*)\)$/.exec(line);
  return found ? { name: found[1], note: found[2] } : { name: line };
};

/** "How locks work https://…" @param {string} line */
const link = (line) => {
  const at = line.lastIndexOf(" ");
  return { headline: line.slice(0, Math.max(at, 0)).trim(), url: line.slice(at + 1) };
};

/** As an input for date and time wants it: by the clock of who reads it. @param {string} text */
const local = (text) => {
  const moment = new Date(text);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};

/** @type {Record<string, Kind>} */
const KINDS = {
  text: { read: (value) => value.trim() || null, write: (value) => value ?? "" },
  number: { read: Number, write: String },
  size: { read: (value) => (value.trim() ? Number(value) : null), write: (value) => String(value ?? "") },
  list: { read: (value) => parts(value, ","), write: (value) => value.join(", ") },
  bylines: {
    read: (value) => parts(value, "\n").map(byline),
    write: (value) => value.map((/** @type {any} */ one) => (one.note ? `${one.name} (${one.note})` : one.name)).join("\n"),
  },
  links: {
    read: (value) => parts(value, "\n").map(link),
    write: (value) => value.map((/** @type {any} */ one) => `${one.headline} ${one.url}`).join("\n"),
  },
  time: { read: (value) => (value ? new Date(value).toISOString() : null), write: (value) => (value ? local(value) : "") },
};

/**
 * "image.src" goes into the object "image", which is null when it has no "src".
 * @param {Field[]} fields
 * @returns {Body}
 */
export function toBody(fields) {
  /** @type {Body} */
  const body = {};
  for (const field of fields) {
    if (!field.name) continue;
    const value = field.checked === undefined ? (KINDS[field.kind] ?? KINDS.text).read(field.value) : field.checked;
    const [outer, inner] = field.name.split(".");
    if (inner) (body[outer] ??= {})[inner] = value;
    else body[outer] = value;
  }
  if (body.image && !body.image.src) body.image = null;
  return body;
}

/**
 * A record's value as text in a field; undefined where the record says nothing of it.
 * @param {string} name
 * @param {string} kind
 * @param {Body} record
 * @returns {string | undefined}
 */
export function written(name, kind, record) {
  const [outer, inner] = name.split(".");
  if (!(outer in record)) return undefined;
  const value = inner ? record[outer]?.[inner] : record[outer];
  return typeof value === "boolean" ? String(value) : (KINDS[kind] ?? KINDS.text).write(value);
}

/**
 * What a form changes of a record: only that is sent, so that fields which somebody else changed stay as they are.
 * @param {Body} before
 * @param {Body} after
 */
export function changes(before, after) {
  return Object.fromEntries(Object.entries(after).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name])));
}

/**
 * Both versions of the fields in which a form and a newer record differ.
 * @param {Field[]} fields
 * @param {Body} record
 * @returns {{ theirs: string, yours: string }}
 */
export function versions(fields, record) {
  const told = fields.map((field) => ({
    name: field.name,
    yours: field.checked === undefined ? field.value : String(field.checked),
    theirs: written(field.name, field.kind, record),
  }));
  const differing = told.filter(({ yours, theirs }) => theirs !== undefined && theirs.trim() !== yours.trim());
  /** @param {"theirs" | "yours"} side */
  const side = (side) => differing.map((one) => (differing.length > 1 ? `${one.name}: ${one[side]}` : one[side])).join("\n\n");
  return { theirs: side("theirs"), yours: side("yours") };
}

/**
 * The fields of a form, but for those that belong to no record.
 * @param {HTMLFormElement} form
 * @returns {Field[]}
 */
export function fieldsOf(form) {
  return inputsOf(form).map((input) => ({
    name: input.name, kind: input.dataset.as ?? "text", value: input.value, checked: isBox(input) ? input.checked : undefined,
  }));
}

/**
 * Writes a record, or fields that were kept, into a form.
 * @param {HTMLFormElement} form
 * @param {Body} record
 */
export function fill(form, record) {
  for (const input of inputsOf(form)) {
    const text = written(input.name, input.dataset.as ?? "text", record);
    if (text === undefined) continue;
    if (isBox(input)) input.checked = text === "true";
    else input.value = text;
  }
}

/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Input */

/** @param {HTMLFormElement} form @returns {Input[]} */
function inputsOf(form) {
  const inputs = /** @type {Input[]} */ ([...form.elements].filter((element) => element.matches("input, textarea, select")));
  return inputs.filter((input) => input.name && input.dataset.as !== "none");
}

/** @param {Input} input @returns {input is HTMLInputElement} */
function isBox(input) {
  return input.type === "checkbox";
}
