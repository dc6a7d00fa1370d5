/** What can be done with the updates that are there: edit, correct, publish, pin, retract. */
import { call } from "./api.js";
import { edit } from "./editing.js";
import { follow } from "./receipt.js";
import { renew } from "./renew.js";
import { complain, say } from "./say.js";

/** @param {string} slug */
export const refresh = (slug) => renew(`/desk/stories/${slug}/updates`, "#updates");

/** @param {string} slug @param {string} editor */
export function manage(slug, editor) {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof HTMLButtonElement ? event.target : null;
    const entry = button?.closest(".entry");
    const act = button?.dataset.act;
    if (!(entry instanceof HTMLElement) || !act) return;
    if (act === "edit") change(slug, entry, editor);
    else if (act === "retract") retract(slug, entry);
    else step(slug, entry, act, button.textContent === "Unpin");
  });
}

/** @param {string} slug @param {HTMLElement} entry @param {string} act @param {boolean} pinned */
async function step(slug, entry, act, pinned) {
  /** @type {Record<string, object>} */
  const bodies = {
    submit: { submitted: true },
    publish: { pubStatus: "usable", publishAt: null },
    hold: { publishAt: null },
    pin: { pinned: !pinned },
  };
  const answer = await call("PATCH", entry.dataset.path ?? "", { body: bodies[act], version: entry.dataset.version });
  done(answer, slug);
}

/** @param {import("./api.js").Answer} answer @param {string} slug */
function done(answer, slug) {
  if (answer.status === 412) say("Somebody changed it meanwhile: look at it again.");
  else say(answer.ok ? "Saved." : answer.detail);
  if (answer.ok && answer.cursor && answer.body?.pubStatus === "usable") follow(answer.cursor, (words) => say(`Saved: ${words}`));
  refresh(slug);
}

/** @param {string} id */
function dialogOf(id) {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById(id));
  return { dialog, form: /** @type {HTMLFormElement} */ (dialog.querySelector("form")) };
}

/**
 * @param {HTMLFormElement} form
 * @param {() => void} save
 */
function onSave(form, save) {
  form.onsubmit = (event) => {
    if (/** @type {HTMLButtonElement | null} */ (event.submitter)?.value === "cancel") return;
    event.preventDefault();
    save();
  };
}

/** @param {string} slug @param {HTMLElement} entry @param {string} editor */
async function change(slug, entry, editor) {
  const path = entry.dataset.path ?? "";
  const { dialog, form } = dialogOf("edit");
  const found = await call("GET", path);
  if (!found.ok) return say(found.detail);
  const published = found.body.pubStatus === "usable";
  const kind = document.getElementById("e-kind");
  const note = /** @type {HTMLInputElement} */ (form.elements.namedItem("note"));
  const task = edit({
    form, path, record: found.body, name: `live-desk:${editor}:${path}`,
    also: () => {
      const corrects = published && new FormData(form).get("kind") === "correction";
      note.required = corrects;
      if (corrects && !note.reportValidity()) return null;
      return corrects ? { correction: note.value } : {};
    },
    saved: (answer) => {
      dialog.close();
      done(answer, slug);
    },
  });
  if (kind) kind.hidden = !published;
  note.required = false;
  onSave(form, task.save);
  dialog.onclose = () => {
    task.end();
    /** @type {HTMLElement | null | undefined} */ (document.getElementById(entry.id)?.querySelector("button"))?.focus();
  };
  task.begin();
  dialog.showModal();
}

/** @param {string} slug @param {HTMLElement} entry */
function retract(slug, entry) {
  const { dialog, form } = dialogOf("retract");
  const problem = /** @type {HTMLElement | null} */ (form.querySelector("[data-problem]"));
  form.reset();
  complain(problem, null, form);
  onSave(form, async () => {
    const reason = /** @type {HTMLInputElement} */ (form.elements.namedItem("reason")).value;
    const answer = await call("DELETE", entry.dataset.path ?? "", { body: { reason } });
    if (!answer.ok) return complain(problem, answer, form);
    dialog.close();
    done(answer, slug);
  });
  dialog.showModal();
}
