// The session of this tab: its token, and the requests that carry it.

import { decode, encode } from "./values.js";

const KEPT = "sqlatch.token";

/** The service has refused, or could not be reached; `code` and `facts` are those of its error. */
export class Refusal extends Error {
  constructor(code, message, facts = {}) {
    super(message);
    this.code = code;
    this.facts = facts;
  }
}

/** Take the token out of the address before anything else: it stays in this tab alone. */
export function takeToken() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return;
  fragment.delete("token");
  const rest = fragment.size ? `#${fragment}` : "";
  history.replaceState(null, "", location.pathname + location.search + rest);
  keepToken(token);
}

/** Keep a token for as long as the tab is open; an empty one forgets it. */
export function keepToken(token) {
  if (token) sessionStorage.setItem(KEPT, token);
  else sessionStorage.removeItem(KEPT);
}

/** Return the token of this tab, or null. */
export function token() {
  return sessionStorage.getItem(KEPT);
}

/** Return the databases that the token names, null if it names none: the service checks it. */
export function databasesOfToken() {
  try {
    const claims = JSON.parse(atob(token().split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    return Array.isArray(claims.databases) ? claims.databases.map(String) : null;
  } catch {
    return null;
  }
}

/** Return the health of the service, which names its databases. */
export function health() {
  return sent("health", { method: "GET" }, [503]).then(({ reply }) => reply);
}

/** Send a request that only reads. */
export function read(fields, options) {
  return posted("read", fields, options);
}

/** Send a request that may write. */
export function write(fields, options) {
  return posted("query", fields, options);
}

function posted(path, fields, { signal } = {}) {
  const headers = { "content-type": "application/json" };
  return sent(path, { method: "POST", body: encode(fields), headers, signal });
}

/** Return the answer to any of the paths that the service has, and what it cost. */
export async function sent(path, options, accepted = []) {
  const kept = token();
  const headers = { ...options.headers, ...(kept === null ? {} : { authorization: `Bearer ${kept}` }) };
  const started = performance.now();
  let answer, text;
  try {
    answer = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit", redirect: "error" });
    text = await answer.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("UNREACHABLE", "the service does not answer: is it still running?");
  }
  const reply = decoded(text);
  if (!answer.ok && !accepted.includes(answer.status)) throw refusalOf(answer.status, reply);
  return { reply, bytes: text.length, took: performance.now() - started };
}

function decoded(text) {
  try {
    return decode(text);
  } catch {
    return null;
  }
}

function refusalOf(status, reply) {
  const { code, message, ...facts } = reply?.error ?? {};
  if (code !== undefined) return new Refusal(code, message, facts);
  return new Refusal(`HTTP ${status}`, reply?.message ?? `the answer was HTTP ${status}`);
}
