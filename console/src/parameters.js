// The values of a query's parameters, each with its type.

import { fill, h } from "./dom.js";
import { parameters } from "./sql.js";
import { Real } from "./values.js";

const TYPES = ["text", "integer", "real", "NULL", "blob"];

/** A value that was typed in is none of its type. */
export class BadValue extends Error {}

/** Return the value that a typed text is, as a type says; BadValue. */
export function valueOf(text, type, label) {
  if (type === "NULL") return null;
  if (type === "text") return text;
  const trimmed = text.trim();
  if (type === "integer") {
    if (!/^[+-]?\d{1,19}$/.test(trimmed)) throw new BadValue(`${label}: ${JSON.stringify(text)} is not an integer`);
    const value = BigInt(trimmed);
    if (BigInt.asIntN(64, value) !== value) throw new BadValue(`${label}: ${trimmed} is past the 64 bits of an integer`);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  if (type === "real") {
    if (/^[+-]?infinity$/i.test(trimmed)) return { real: trimmed.startsWith("-") ? "-Infinity" : "Infinity" };
    if (trimmed === "" || !Number.isFinite(Number(trimmed))) throw new BadValue(`${label}: ${JSON.stringify(text)} is not a number`);
    return Number.isInteger(Number(trimmed)) ? new Real(Number(trimmed)) : Number(trimmed);
  }
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(trimmed)) throw new BadValue(`${label}: a blob is given as base64`);
  return { base64: trimmed };
}

/** Return fields for a value: a type and a text. */
export function valueFields(label, { type = "text", text = "", onChange = () => {} } = {}) {
  const field = h("input", { type: "text", "aria-label": `Value of ${label}`, spellcheck: "false", oninput: () => { guess(); onChange(); } });
  field.value = text;
  const kind = h("select", { "aria-label": `Type of ${label}`, onchange: () => { kind.dataset.chosen = "yes"; off(); onChange(); } }, TYPES.map((one) => h("option", {}, one)));
  kind.value = type;
  const off = () => { field.disabled = kind.value === "NULL"; };
  // Until a type is chosen, a text that is a number is taken for one.
  const guess = () => {
    if (kind.dataset.chosen) return;
    kind.value = /^[+-]?\d{1,19}$/.test(field.value) ? "integer" : /^[+-]?(\d+\.\d*|\.\d+)$/.test(field.value) ? "real" : "text";
  };
  off();
  return { field, kind, value: () => valueOf(field.value, kind.value, label) };
}

export class Parameters {
  constructor() {
    this.element = h("div", { class: "parameters", hidden: true });
    this.known = new Map();
  }

  /** Show a field for each parameter of these statements; what was typed stays. */
  show(statements) {
    const labels = [...new Set(statements.flatMap((one) => parameters(one).map(({ label }) => label)))];
    if (labels.join() === this.labels?.join()) return;
    this.labels = labels;
    this.element.hidden = labels.length === 0;
    fill(this.element, labels.map((label) => this._row(label)));
  }

  /** Return the value of a parameter; BadValue. */
  value(label) {
    return this.known.get(label).fields.value();
  }

  _row(label) {
    if (!this.known.has(label)) {
      const fields = valueFields(label);
      this.known.set(label, { fields, row: h("span", { class: "parameter" }, h("code", {}, label), fields.field, fields.kind) });
    }
    return this.known.get(label).row;
  }
}
