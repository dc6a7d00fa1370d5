/** Buttons and forms that say in their attributes what they ask of the API. */
import { call } from "./api.js";
import { fieldsOf, toBody } from "./fields.js";
import { forget, keep, keptAs, putBack } from "./kept.js";
import { newKey } from "./outbox.js";
import { complain, say } from "./say.js";

/** @param {import("./api.js").Answer} answer @param {string} [next] where to go; '' stays and loads anew */
function finish(answer, next = "") {
  if (!answer.ok) return say(answer.detail);
  if (next) location.assign(next.replace("{slug}", answer.body?.slug ?? ""));
  else location.reload();
}

/** @param {HTMLFormElement} form @param {HTMLButtonElement | null} button */
async function submit(form, button) {
  const { next, show, sureFlash } = form.dataset;
  const method = button?.dataset.method ?? form.dataset.method ?? "POST";
  const path = button?.getAttribute("formaction") ?? form.dataset.path ?? "";
  const body = toBody(fieldsOf(form));
  if (button?.name) body[button.name] = button.value;
  if (sureFlash && body.urgency === 1 && method === "PUT" && !confirm(sureFlash)) return;
  const answer = await call(method, path, { body, key: newKey() });
  if (!answer.ok) {
    say(answer.detail);
    return complain(problemOf(form), answer, form);
  }
  if (form.dataset.keep) forget(nameOf(form));
  if (!show) return finish(answer, next);
  const place = form.querySelector("[data-shown]");
  if (place?.parentElement) {
    place.textContent = answer.body[show];
    place.parentElement.hidden = false;
  }
}

/** @param {HTMLFormElement} form */
function problemOf(form) {
  const found = form.querySelector("[data-problem]");
  if (found instanceof HTMLElement) return found;
  const place = document.createElement("p");
  place.className = "refusal";
  place.dataset.problem = "";
  place.setAttribute("role", "alert");
  form.append(place);
  return place;
}

/** @param {HTMLButtonElement} button */
async function press(button) {
  const { sure, post, patch, path } = button.dataset;
  const gone = button.dataset.delete;
  if (sure && !confirm(sure)) return;
  if (gone) return finish(await call("DELETE", gone));
  if (post) return finish(await call("POST", post));
  if (patch && path) {
    const body = JSON.parse(patch);
    if (body.coverageEnd === "now") body.coverageEnd = new Date().toISOString();
    finish(await call("PATCH", path, { body }));
  }
}

/** @param {string} slug */
async function duplicate(slug) {
  const story = (await call("GET", `/api/stories/${slug}`)).body;
  const kept = ["headline", "sections", "by", "image", "body", "urgency", "notice", "edNote", "language", "related"];
  /** @type {Record<string, unknown>} */
  const body = Object.fromEntries(kept.filter((name) => name in story).map((name) => [name, story[name]]));
  body.slug = `${slug.slice(0, 70)}-${Date.now().toString(36)}`;
  body.pubStatus = "withheld";
  finish(await call("POST", "/api/stories", { body }), "/desk/stories/{slug}");
}

/** Under which what is typed into a form is kept. @param {HTMLFormElement} form */
function nameOf(form) {
  return `live-desk:${document.body.dataset.editor}:${form.dataset.keep}`;
}

export function actions() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.dataset.path) return;
    event.preventDefault();
    submit(form, event.submitter instanceof HTMLButtonElement ? event.submitter : null);
  });
  document.addEventListener("click", (event) => {
    const button = event.target instanceof HTMLButtonElement ? event.target : null;
    if (button?.dataset.duplicate) duplicate(button.dataset.duplicate);
    else if (button?.type === "button") press(button);
  });
  for (const form of /** @type {NodeListOf<HTMLFormElement>} */ (document.querySelectorAll("form[data-keep]"))) {
    putBack(form, keptAs(nameOf(form))?.fields ?? []);
    form.addEventListener("input", () => keep(form, nameOf(form)));
  }
}
