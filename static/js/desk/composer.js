/** Writing an update: typed text is kept at each key, posts go through the outbox, the preview is the server's. */
import { parse } from "../html.js";
import { call, worthRepeating } from "./api.js";
import { fieldsOf, inserted, toBody } from "./fields.js";
import { Outbox, pause } from "./outbox.js";
import { follow } from "./receipt.js";
import { complain, say } from "./say.js";

const PREVIEW_AFTER = 250;
/** @type {Record<string, [string, string, boolean]>} */
const INSERTS = { quote: ["> ", "\n>\n> — ", true], list: ["- ", "", true], link: ["[", "](https://)", false] };
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
  const outbox = new Outbox(localStorage, `live-outbox:${editor}:${slug}`);
  let sending = false;
  let tries = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const keep = () => localStorage.setItem(draft, JSON.stringify(fieldsOf(form)));
  const touched = () => {
    keep();
    clearTimeout(timer);
    timer = setTimeout(preview, PREVIEW_AFTER);
  };

  const preview = async () => {
    const place = document.getElementById("preview");
    if (!place) return;
    if (!body.value.trim()) return place.replaceChildren();
    const answer = await call("POST", "/api/preview", { body: { kind: "update", story: slug, draft: toBody(fieldsOf(form)) } });
    if (answer.ok) place.replaceChildren(...parse(answer.body.html).body.childNodes);
  };

  /** @param {string} before @param {string} after @param {boolean} line */
  const insert = (before, after, line) => {
    const result = inserted(body.value, body.selectionStart, body.selectionEnd, before, after, line);
    body.value = result.text;
    body.focus();
    body.setSelectionRange(result.caret, result.caret);
    touched();
  };

  const show = () => {
    const list = document.getElementById("outbox");
    list?.replaceChildren(
      ...outbox.all().map((post) => {
        const item = document.createElement("li");
        item.textContent = `On its way: ${post.body.headline ?? post.body.body}`.slice(0, 120);
        return item;
      }),
    );
  };

  const send = async () => {
    if (sending) return;
    sending = true;
    for (let post = outbox.all()[0]; post; post = outbox.all()[0]) {
      const answer = await call(post.method, post.path, { body: post.body, key: post.key });
      if (worthRepeating(answer)) {
        say(`Not sent yet: ${answer.detail} It is kept here and tried again.`);
        setTimeout(send, pause(tries++));
        break;
      }
      tries = 0;
      outbox.remove(post.key);
      if (answer.ok) arrived(answer);
      else refused(post, answer);
    }
    sending = false;
    show();
  };

  /** @param {import("./api.js").Answer} answer */
  const arrived = (answer) => {
    const out = answer.body.pubStatus === "usable";
    say(out ? "Posted." : answer.body.publishAt ? "Scheduled." : "Saved.");
    if (out) follow(answer.cursor, (words) => say(`Posted: ${words}`));
    changed();
  };

  /** Back into the composer, unless something else is there already. @param {import("./outbox.js").Post} post @param {import("./api.js").Answer} answer */
  const refused = (post, answer) => {
    complain(problem, answer, form);
    if (body.value.trim()) return say(`Refused: ${answer.detail} The text was: ${post.body.body}`);
    body.value = post.body.body;
    /** @type {HTMLInputElement} */ (form.elements.namedItem("headline")).value = post.body.headline ?? "";
    touched();
  };

  /** @param {string} step */
  const post = (step) => {
    if (!form.reportValidity()) return;
    complain(problem, null, form);
    const fields = { ...toBody(fieldsOf(form)), ...STEPS[step] };
    outbox.add({ key: crypto.randomUUID(), method: "POST", path: `/api/stories/${slug}/updates`, body: fields });
    form.reset();
    localStorage.removeItem(draft);
    document.getElementById("preview")?.replaceChildren();
    body.focus();
    show();
    send();
  };

  form.addEventListener("input", touched);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    post(/** @type {HTMLButtonElement | null} */ (event.submitter)?.value ?? "draft");
  });
  form.addEventListener("click", (event) => {
    const button = event.target instanceof HTMLButtonElement ? event.target : null;
    if (button?.dataset.label) insert(`**${button.dataset.label}** `, "", true);
    if (button?.dataset.insert) insert(...INSERTS[button.dataset.insert]);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      post(form.querySelector('[value="publish"]') ? "publish" : "submit");
    } else if (event.altKey && !event.ctrlKey && !event.metaKey) {
      const wanted = `Alt+${event.code.replace(/^(Key|Digit)/, "")}`;
      const button = [...form.querySelectorAll(".tools button")].find((one) => one.getAttribute("title") === wanted);
      if (!(button instanceof HTMLButtonElement)) return;
      event.preventDefault();
      button.click();
    }
  });
  addEventListener("online", send);

  restore(form, draft);
  if (body.value.trim()) preview();
  show();
  send();
}

/** @param {HTMLFormElement} form @param {string} name */
function restore(form, name) {
  const kept = JSON.parse(localStorage.getItem(name) ?? "[]");
  for (const field of kept) {
    const element = form.elements.namedItem(field.name);
    if (element instanceof HTMLInputElement && element.type === "checkbox") element.checked = field.checked;
    else if (element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement) element.value = field.value;
  }
  const said = document.getElementById("restored");
  if (said) said.hidden = !kept.some((/** @type {any} */ field) => field.name === "body" && field.value.trim());
}
