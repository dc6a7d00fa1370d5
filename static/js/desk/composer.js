/** Writing an update: typed text is kept at each key, posts go out by themselves, the preview is the server's. */
import { parse } from "../html.js";
import { call } from "./api.js";
import { fieldsOf, toBody } from "./fields.js";
import { forget, keep, keptAs, putBack } from "./kept.js";
import { INSERTS, inserted } from "./markup.js";
import { newKey } from "./outbox.js";
import { complain } from "./say.js";
import { sending } from "./sending.js";

const PREVIEW_AFTER = 250;
/** @type {Record<string, object>} */
const STEPS = { publish: {}, submit: { pubStatus: "withheld", submitted: true }, draft: { pubStatus: "withheld" } };

/**
 * @param {HTMLFormElement} form
 * @param {string} slug
 * @param {string} editor
 * @param {() => void} changed
 */
export function compose(form, slug, editor, changed) {
  const body = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("body"));
  const problem = document.getElementById("problem");
  const draft = `live-desk:${editor}:${slug}`;
  const way = sending(`live-outbox:${editor}:${slug}`, changed, refused, takeBack);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  function touched() {
    keep(form, draft);
    clearTimeout(timer);
    timer = setTimeout(preview, PREVIEW_AFTER);
  }

  async function preview() {
    const place = document.getElementById("preview");
    if (!place) return;
    if (!body.value.trim()) return place.replaceChildren();
    const answer = await call("POST", "/api/preview", { body: { kind: "update", story: slug, draft: toBody(fieldsOf(form)) } });
    if (answer.ok) place.replaceChildren(...parse(answer.body.html).body.childNodes);
  }

  /** @param {import("./outbox.js").Post} post */
  function takeBack(post) {
    putBack(form, post.fields ?? []);
    touched();
    body.focus();
  }

  /**
   * Back into the composer, unless something else is there already.
   * @param {import("./outbox.js").Post} post
   * @param {import("./api.js").Answer} answer
   */
  function refused(post, answer) {
    complain(problem, answer, form);
    if (body.value.trim()) return false;
    takeBack(post);
    return true;
  }

  /** @param {string} step */
  function post(step) {
    if (!form.reportValidity()) return;
    complain(problem, null, form);
    const fields = fieldsOf(form);
    way.post({
      key: newKey(), method: "POST", path: `/api/stories/${slug}/updates`, fields,
      body: { ...toBody(fields), ...STEPS[step] },
    });
    form.reset();
    forget(draft);
    document.getElementById("preview")?.replaceChildren();
    body.focus();
  }

  form.addEventListener("input", touched);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    post(/** @type {HTMLButtonElement | null} */ (event.submitter)?.value ?? "draft");
  });
  form.addEventListener("click", (event) => {
    if (event.target instanceof HTMLButtonElement && use(event.target, form, body)) touched();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      post(form.querySelector('[value="publish"]') ? "publish" : "submit");
    } else if (event.altKey && !event.shiftKey && !event.ctrlKey && !event.metaKey) {
      const wanted = `Alt+${event.code.replace(/^(Key|Digit)/, "")}`;
      const button = [...form.querySelectorAll(".tools button")].find((one) => one.getAttribute("title") === wanted);
      if (!(button instanceof HTMLButtonElement)) return;
      event.preventDefault();
      button.click();
    }
  });

  const kept = keptAs(draft);
  if (kept) putBack(form, kept.fields);
  const said = document.getElementById("restored");
  if (said) said.hidden = !body.value.trim();
  if (body.value.trim()) preview();
}

/**
 * Does what a button of the toolbar stands for; returns whether that changed the form.
 * @param {HTMLButtonElement} button
 * @param {HTMLFormElement} form
 * @param {HTMLTextAreaElement} body
 */
function use({ dataset }, form, body) {
  if (dataset.go) {
    const field = document.getElementById(dataset.go);
    field?.closest("details")?.setAttribute("open", "");
    field?.focus();
    return false;
  }
  const box = dataset.turn ? form.elements.namedItem(dataset.turn) : null;
  if (box instanceof HTMLInputElement) {
    box.checked = !box.checked;
    return true;
  }
  /** @type {[string, string, boolean]} */
  const [before, after, line] = dataset.label ? [`**${dataset.label}** `, "", true] : (INSERTS[dataset.insert ?? ""] ?? ["", "", false]);
  if (!before) return false;
  const result = inserted(body.value, body.selectionStart, body.selectionEnd, before, after, line);
  body.value = result.text;
  body.focus();
  body.setSelectionRange(result.caret, result.caret);
  return true;
}
