// One value, whole: a text as it is, JSON laid out, a blob by its bytes.

import { button, copy, h, save } from "./dom.js";
import { blobBytes, bytesOf, bytesText, Clipped, count, textOf, typeOf } from "./values.js";

const SHOWN_MAX = 200_000;
/** The longest value that a screen reader is told as the dialog opens. */
const HEARD_MAX = 500;
const BLOB_SHOWN_MAX = 4_096;

/** Open a value. `whole` reads the rest of one that was cut; `more` are further buttons. */
export function openValue({ name, value, more = [], whole = null }) {
  const dialog = h("dialog", { class: "dialog wide", "aria-labelledby": "value-title", "aria-describedby": value !== "" && textOf(value).length <= HEARD_MAX ? "value-text" : null, onclose: () => dialog.remove() });
  const text = textOf(value);
  const [said, shown] = described(value, text);
  dialog.append(
    h("div", { class: "dialog-head" },
      h("h2", { id: "value-title" }, name),
      h("span", { class: "soft" }, said),
      h("span", { class: "rest" }),
      whole ? button("Read it whole", async () => { dialog.close(); await whole(); }, { class: "quiet" }) : null,
      ...more.map(([label, act]) => button(label, () => { dialog.close(); act(); }, { class: "quiet" })),
      button("Copy", () => copy(text, "the value"), { class: "quiet" }),
      button("Save", () => saved(name, value, text), { class: "quiet" }),
      button("Close", () => dialog.close(), { class: "quiet", autofocus: true })),
    h("pre", { class: "value", id: "value-text", tabindex: 0 }, shown.slice(0, SHOWN_MAX)),
    shown.length > SHOWN_MAX ? h("p", { class: "hint" }, `The first ${count(SHOWN_MAX)} of ${count(shown.length)} characters. Copy and Save take all.`) : "",
  );
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function described(value, text) {
  const type = typeOf(value);
  if (value instanceof Clipped) return [`${type}, the beginning of ${bytesText(value.bytes)}`, typeof value.start === "string" ? text : dump(value.start)];
  if (type === "blob") return [`blob, ${bytesText(blobBytes(value))}`, dump(value)];
  if (type !== "text") return [type, text];
  return [`text, ${count(text.length, "character")}`, laidOut(text)];
}

function laidOut(text) {
  if (!/^\s*[[{]/.test(text) || text.length > SHOWN_MAX) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function dump(blob) {
  const bytes = bytesOf(blob).slice(0, BLOB_SHOWN_MAX);
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = [...bytes.slice(at, at + 16)];
    const digits = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(47);
    const letters = part.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${digits}  ${letters}`);
  }
  return lines.join("\n");
}

function saved(name, value, text) {
  const isBlob = typeOf(value) === "blob" && !(value instanceof Clipped);
  save(isBlob ? `${name}.bin` : `${name}.txt`, [isBlob ? bytesOf(value) : text], "application/octet-stream");
}
