/**
 * The desk's way to the API. Nothing here touches the page but the token that proves the request is its own.
 *
 * @typedef {{ pointer: string, detail: string }} FieldError
 * @typedef {{ ok: boolean, status: number, body: any, cursor: string, detail: string, errors: FieldError[] }} Answer
 * @typedef {{ body?: unknown, key?: string, version?: string | number }} Options
 */

const csrf = globalThis.document?.querySelector('meta[name="csrf"]')?.getAttribute("content") ?? "";

/**
 * Sends one request. A status of 0 means that no answer came: it may or may not have happened.
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<Answer>}
 */
export async function call(method, path, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { "Live-CSRF": csrf };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (options.key) headers["Idempotency-Key"] = options.key;
  if (options.version) headers["If-Match"] = `"${options.version}"`;
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  try {
    const response = await fetch(path, { method, headers, body });
    const text = await response.text();
    const json = (response.headers.get("Content-Type") ?? "").includes("json");
    return answered(response, json && text ? JSON.parse(text) : text);
  } catch {
    return { ok: false, status: 0, body: null, cursor: "", detail: "The server cannot be reached.", errors: [] };
  }
}

/**
 * @param {Response} response
 * @param {any} body
 * @returns {Answer}
 */
function answered(response, body) {
  const { ok, status } = response;
  const detail = ok ? "" : (body?.detail ?? `The server answered with status ${status}.`);
  return { ok, status, body, cursor: response.headers.get("Live-Cursor") ?? "", detail, errors: body?.errors ?? [] };
}

/** Whether the same request, sent again with the same key, may still go through. @param {Answer} answer */
export function worthRepeating(answer) {
  return answer.status === 0 || answer.status === 429 || answer.status >= 500;
}
