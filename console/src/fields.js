// Fields in which a row or one of its values is typed.

import { h } from "./dom.js";
import { valueFields, valueOf } from "./parameters.js";
import { textOf, typeOf } from "./values.js";

const TYPES = ["text", "integer", "real", "NULL", "blob"];

/** Return a field for one value of a column. */
export function textField(name, value, declared) {
  const type = value === null ? guessed(declared) : typeOf(value);
  const text = h("textarea", { rows: 4, "aria-label": `Value of ${name}`, spellcheck: "false" });
  text.value = value === null ? "" : textOf(value);
  const kind = h("select", { "aria-label": `Type of ${name}` }, TYPES.map((one) => h("option", {}, one)));
  kind.value = value === null ? "NULL" : type;
  const field = {};
  const off = () => { text.disabled = kind.value === "NULL"; };
  off();
  kind.addEventListener("change", off);
  field.element = h("div", { class: "field" }, h("div", { class: "field-head" }, h("code", {}, name), kind), text);
  field.value = () => valueOf(text.value, kind.value, name);
  field.focus = () => (kind.value === "NULL" ? kind : text).focus();
  return field;
}

/** Return fields for a whole row: those that are left alone take the table's defaults. */
export function rowFields(columns) {
  const all = {};
  const rows = columns.map((column) => {
    const fields = valueFields(column.name, { type: guessed(column.type), onChange: () => { used.checked = true; } });
    fields.kind.dataset.chosen = "yes";
    const used = h("input", { type: "checkbox", "aria-label": `Give ${column.name}` });
    used.checked = column.isNotNull && column.preset === null && !isRowid(column);
    const line = h("div", { class: "row-field" }, used, h("code", {}, column.name), fields.field, fields.kind);
    return { column, fields, used, line };
  });
  all.element = h("div", { class: "row-fields" }, rows.map(({ line }) => line));
  all.values = () => rows.filter(({ used }) => used.checked).map(({ column, fields }) => [column.name, fields.value()]);
  all.focus = () => rows[0]?.fields.field.focus();
  return all;
}

function isRowid(column) {
  return column.key > 0 && column.type.toUpperCase() === "INTEGER";
}

function guessed(declared) {
  const type = declared.toUpperCase();
  if (type.includes("INT")) return "integer";
  if (/REAL|FLOA|DOUB/.test(type)) return "real";
  return type.includes("BLOB") ? "blob" : "text";
}
