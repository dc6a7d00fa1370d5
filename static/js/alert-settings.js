/** The dialog in which a reader says what to be told of. */

import { chime, prepare, wish, wishes } from "./alerts.js";

/** @typedef {Record<"sound" | "desktop", HTMLInputElement> & Record<"threshold" | "quietFrom" | "quietTo", HTMLInputElement>} Fields */

const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("alert-settings"));
const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
const fields = /** @type {Fields} */ (/** @type {unknown} */ (form.elements));

form.addEventListener("submit", save);
form.querySelector("[type=button]")?.addEventListener("click", () => dialog.close());
fields.desktop.addEventListener("change", () => void ask());
fields.sound.addEventListener("change", () => fields.sound.checked && chime());

export function open() {
  const wanted = wishes();
  for (const name of /** @type {const} */ (["sound", "desktop"])) fields[name].checked = wanted[name];
  fields.threshold.value = `${wanted.threshold}`;
  for (const name of /** @type {const} */ (["quietFrom", "quietTo"])) fields[name].value = wanted[name];
  hint("");
  dialog.showModal();
}

function save() {
  wish({
    sound: fields.sound.checked,
    desktop: fields.desktop.checked,
    threshold: Number(fields.threshold.value),
    quietFrom: fields.quietFrom.value,
    quietTo: fields.quietTo.value,
  });
  prepare();
}

/** Browsers must be asked before a page may notify. */
async function ask() {
  hint("");
  if (!fields.desktop.checked) return;
  const answer = "Notification" in window ? await Notification.requestPermission() : "denied";
  if (answer === "granted") return;
  fields.desktop.checked = false;
  hint("Your browser does not let this site show notifications.");
}

/** @param {string} text */
function hint(text) {
  const place = document.getElementById("alert-settings-hint");
  if (place) place.textContent = text;
}
