/** Posts on their way to the server, one after the other; what it refuses goes back to who wrote it. */
import { call, worthRepeating } from "./api.js";
import { Outbox, pause } from "./outbox.js";
import { follow } from "./receipt.js";
import { say } from "./say.js";

/**
 * @typedef {import("./outbox.js").Post} Post
 * @typedef {object} Way
 * @property {(post: Post) => void} post
 * @property {() => void} send now what waits
 *
 * @param {string} name of the editor's box
 * @param {() => void} arrived
 * @param {(post: Post, answer: import("./api.js").Answer) => boolean} refused whether it went back into the composer
 * @param {(post: Post) => void} takeBack
 * @returns {Way}
 */
export function sending(name, arrived, refused, takeBack) {
  const outbox = new Outbox(localStorage, name);
  let busy = false;
  let tries = 0;

  async function send() {
    if (busy) return;
    busy = true;
    for (let post = outbox.next(); post; post = outbox.next()) {
      const answer = await call(post.method, post.path, { body: post.body, key: post.key });
      if (worthRepeating(answer)) {
        say(`Not sent yet: ${answer.detail} It is kept here and tried again.`);
        setTimeout(send, pause(tries++));
        break;
      }
      tries = 0;
      settle(post, answer);
    }
    busy = false;
    show();
  }

  /** @param {Post} post @param {import("./api.js").Answer} answer */
  function settle(post, answer) {
    if (!answer.ok) {
      if (refused(post, answer)) outbox.remove(post.key);
      else outbox.refuse(post.key, answer.detail);
      return say(`Refused: ${answer.detail}`);
    }
    outbox.remove(post.key);
    const out = answer.body.pubStatus === "usable";
    say(out ? "Posted." : answer.body.publishAt ? "Scheduled." : "Saved.");
    if (out) follow(answer.cursor, (words) => say(`Posted: ${words}`));
    arrived();
  }

  function show() {
    document.getElementById("outbox")?.replaceChildren(...outbox.all().map(row));
  }

  /** @param {Post} post */
  function row(post) {
    const item = document.createElement("li");
    const text = `${post.body.headline ?? post.body.body}`.slice(0, 120);
    item.append(post.refusal ? `Refused: ${text} (${post.refusal}) ` : `On its way: ${text}`);
    if (post.refusal) item.append(button("Back into the composer", () => { outbox.remove(post.key); takeBack(post); }), button("Drop", () => outbox.remove(post.key)));
    return item;
  }

  /** @param {string} text @param {() => void} act */
  function button(text, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "quiet";
    made.textContent = text;
    made.addEventListener("click", () => { act(); show(); });
    return made;
  }

  addEventListener("online", send);
  show();
  send();
  return { send, post: (post) => { outbox.add(post); show(); send(); } };
}
