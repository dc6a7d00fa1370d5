/**
 * One record in a form: what is typed is kept, others are told who edits it, a stale save shows both versions.
 *
 * @typedef {object} Task
 * @property {HTMLFormElement} form
 * @property {string} path of the record
 * @property {import("./fields.js").Body} record as it is now
 * @property {string} name under which typed text is kept
 * @property {(answer: import("./api.js").Answer) => void} saved
 * @property {() => import("./fields.js").Body | null} [also] what is sent beside the fields; null: not yet
 */
import { call } from "./api.js";
import { changes, fieldsOf, fill, toBody, versions } from "./fields.js";
import { forget, keep, keptAs, putBack } from "./kept.js";
import { complain } from "./say.js";

const PRESENCE = 10_000;

/** @param {Task} task */
export function edit({ form, path, record, name, saved, also = () => ({}) }) {
  let version = record.version;
  let before = load(record);
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let presence;
  const part = (/** @type {string} */ what) => /** @type {HTMLElement | null} */ (form.querySelector(`[data-${what}]`));

  /** @param {import("./fields.js").Body} from */
  function load(from) {
    form.reset();
    fill(form, from);
    return toBody(fieldsOf(form));
  }

  /** @param {import("./fields.js").Body | null} theirs */
  function compare(theirs) {
    const place = part("conflict");
    if (place) place.hidden = !theirs;
    if (!theirs) return;
    const both = versions(fieldsOf(form), theirs);
    /** @type {HTMLElement} */ (part("theirs")).textContent = both.theirs;
    /** @type {HTMLElement} */ (part("yours")).textContent = both.yours;
    /** @type {HTMLElement} */ (part("take-theirs")).onclick = () => drop(theirs);
  }

  /** @param {import("./fields.js").Body} instead */
  function drop(instead) {
    forget(name);
    before = load(instead);
    version = instead.version;
    restored(false);
    compare(null);
  }

  /** @param {boolean} is */
  function restored(is) {
    const place = part("restored");
    if (place) place.hidden = !is;
  }

  async function tell() {
    const answer = await call("PUT", `${path}/editing`, { body: {} });
    const names = (answer.body?.editors ?? []).map((/** @type {{ name: string }} */ editor) => editor.name);
    const place = part("editors");
    if (place) place.textContent = names.length ? `${names.join(", ")} ${names.length > 1 ? "are" : "is"} editing it too.` : "";
  }

  function begin() {
    if (presence) return;
    presence = setInterval(tell, PRESENCE);
    tell();
  }

  /** Ends it; what was typed and not saved is still kept. */
  function end() {
    clearInterval(presence);
    if (presence) call("DELETE", `${path}/editing`);
    presence = undefined;
  }

  async function save() {
    const more = also();
    if (!more) return;
    const body = { ...changes(before, toBody(fieldsOf(form))), ...more };
    const answer = await call("PATCH", path, { body, version });
    if (answer.status === 412) {
      const theirs = (await call("GET", path)).body;
      version = theirs.version;
      return compare(theirs);
    }
    complain(part("problem"), answer.ok ? null : answer, form);
    if (!answer.ok) return;
    forget(name);
    end();
    saved(answer);
  }

  const kept = keptAs(name);
  if (kept) {
    putBack(form, kept.fields);
    version = kept.version ?? version; // if the record is newer than what was typed over, saving says so
  }
  restored(kept !== null);
  compare(null);
  complain(part("problem"), null, form);
  const dropper = part("drop");
  if (dropper) dropper.onclick = () => drop(record);
  form.oninput = () => {
    keep(form, name, version);
    begin();
  };
  return { begin, end, save };
}
