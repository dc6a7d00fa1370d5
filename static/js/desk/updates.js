/** What can be done with the updates that are there: edit, correct, publish, pin, retract; and who else is at it. */
import { parse } from "../html.js";
import { call } from "./api.js";
import { follow } from "./receipt.js";
import { complain, say } from "./say.js";

const PRESENCE = 10_000;

/** @param {string} slug */
export async function refresh(slug) {
  const old = document.getElementById("updates");
  if (!old) return;
  const answer = await call("GET", `/desk/stories/${slug}/updates`);
  const fresh = answer.ok && parse(answer.body).getElementById("updates");
  if (!fresh) return;
  const focused = document.activeElement?.closest(".entry")?.id;
  const act = document.activeElement?.getAttribute("data-act");
  old.replaceWith(fresh);
  if (focused && act) {
    const button = document.getElementById(focused)?.querySelector(`[data-act="${act}"]`);
    if (button instanceof HTMLElement) button.focus();
  }
}

/** @param {string} slug */
export function manage(slug) {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof HTMLButtonElement ? event.target : null;
    const entry = button?.closest(".entry");
    const act = button?.dataset.act;
    if (!(entry instanceof HTMLElement) || !act) return;
    if (act === "edit") edit(slug, entry);
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

/** @param {string} slug @param {HTMLElement} entry */
async function edit(slug, entry) {
  const path = entry.dataset.path ?? "";
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("edit"));
  const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
  const record = (await call("GET", path)).body;
  const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  form.reset();
  field("headline").value = record.headline ?? "";
  field("body").value = record.body;
  const published = record.pubStatus === "usable";
  const kind = document.getElementById("e-kind");
  if (kind) kind.hidden = !published;
  conflict(null, "");
  complain(dialog.querySelector("[data-problem]"), null);
  let version = record.version;
  const presence = setInterval(() => here(path, dialog), PRESENCE);
  here(path, dialog);

  form.onsubmit = async (event) => {
    if (/** @type {HTMLButtonElement} */ (event.submitter)?.value !== "save") return;
    event.preventDefault();
    /** @type {Record<string, unknown>} */
    const body = { headline: field("headline").value.trim() || null, body: field("body").value };
    const corrects = published && new FormData(form).get("kind") === "correction";
    if (corrects) body.correction = field("note").value;
    if (corrects && !field("note").value.trim()) return field("note").focus();
    const answer = await call("PATCH", path, { body, version });
    if (answer.status === 412) {
      const theirs = (await call("GET", path)).body;
      version = theirs.version;
      conflict(theirs, field("body").value);
      const take = document.getElementById("take-theirs");
      if (take) take.onclick = () => { field("body").value = theirs.body; field("headline").value = theirs.headline ?? ""; conflict(null, ""); };
      return;
    }
    if (!answer.ok) return complain(dialog.querySelector("[data-problem]"), answer, form);
    dialog.close();
    done(answer, slug);
  };
  dialog.onclose = () => {
    clearInterval(presence);
    call("DELETE", `${path}/editing`);
    document.getElementById(entry.id)?.querySelector("button")?.focus();
  };
  dialog.showModal();
}

/** @param {string} path @param {HTMLElement} dialog */
async function here(path, dialog) {
  const answer = await call("PUT", `${path}/editing`, { body: {} });
  const names = (answer.body?.editors ?? []).map((/** @type {{ name: string }} */ editor) => editor.name);
  const heading = dialog.querySelector("h2");
  if (heading) heading.textContent = names.length ? `Edit the update – ${names.join(", ")} ${names.length > 1 ? "are" : "is"} editing it too` : "Edit the update";
}

/** @param {any} theirs @param {string} yours */
function conflict(theirs, yours) {
  const place = document.getElementById("conflict");
  if (!place) return;
  place.hidden = !theirs;
  const [left, right] = ["theirs", "yours"].map((id) => document.getElementById(id));
  if (left) left.textContent = theirs?.body ?? "";
  if (right) right.textContent = yours;
}

/** @param {string} slug @param {HTMLElement} entry */
function retract(slug, entry) {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("retract"));
  const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
  form.reset();
  form.onsubmit = async (event) => {
    if (/** @type {HTMLButtonElement} */ (event.submitter)?.value !== "save") return;
    event.preventDefault();
    const reason = /** @type {HTMLInputElement} */ (form.elements.namedItem("reason")).value;
    const answer = await call("DELETE", entry.dataset.path ?? "", { body: { reason } });
    if (!answer.ok) return complain(dialog.querySelector("[data-problem]"), answer, form);
    dialog.close();
    done(answer, slug);
  };
  dialog.showModal();
}
