// The rows of a table, page by page in the order of its key, to be looked at and edited.

import { button, fill, h, tell } from "./dom.js";
import { openValue } from "./cell.js";
import { confirmWrite } from "./edit.js";
import { Grid } from "./grid.js";
import { keyOf } from "./schema.js";
import { read } from "./session.js";
import { named, quoted } from "./sql.js";
import { Clipped, count, timeText } from "./values.js";
import { rowFields, textField } from "./fields.js";

const PAGE_ROWS = 1_000;
const CLIPPED_AT_BYTES = 4_096;
const CLIPPED_CHARACTERS = 1_024;

export class Browse {
  constructor(app, table) {
    Object.assign(this, { app, table, key: keyOf(table), sorted: null });
    this.names = table.columns.map(({ name }) => name);
    this.canEdit = this.key.length > 0 && table.kind === "table";
    this.grid = new Grid({
      label: `Rows of ${table.name}`,
      onOpen: (place, index) => this._open(place, index),
      onNearEnd: () => this._more(),
      onSort: (sorted) => { this.sorted = sorted; this._begin(false); },
      onActive: () => { this.remove.disabled = !this.canEdit || this.grid.selection.active === null; },
    });
    this.filter = h("input", { class: "filter", type: "text", placeholder: "WHERE, as dest = 'SFO' AND month < 4", "aria-label": "Condition", spellcheck: "false", onkeydown: (event) => event.key === "Enter" && this._begin() });
    this.problem = h("span", { class: "problem", role: "alert" });
    this.status = h("div", { class: "status", role: "status" });
    this.remove = button("Delete row", () => this._delete(), { class: "quiet", disabled: true });
    const edits = this.canEdit ? [button("Add row", () => this._add(), { class: "quiet" }), this.remove] : [];
    this.element = h("div", { class: "browse" },
      h("div", { class: "result-tools" }, this.filter, button("Show", () => this._begin()), this.problem, h("span", { class: "rest" }), edits),
      this.grid.element, this.status);
    this._begin();
  }

  /** Read the first page; with `isNew` the columns are drawn anew too. */
  async _begin(isNew = true) {
    this.problem.textContent = "";
    const run = (this.run = {});
    try {
      const { reply } = await this._read("first");
      if (run !== this.run) return;
      this.rows = reply.rows.map((row) => this._row(row));
      this.next = reply.page.next;
      if (isNew) this.grid.show(this.names, this.rows);
      else Object.assign(this.grid, { rows: this.rows, active: null, anchor: null }).grew();
      if (!isNew) this.grid.element.scrollTop = 0;
      this._said([`${count(this.rows.length, "row")}${this.next ? " so far" : ""}`, timeText(reply.meta.duration_ms), this.canEdit ? "Enter edits a value" : "read only"]);
    } catch (error) {
      this.problem.textContent = error.message;
    }
  }

  /** Read the page behind those that are here, when the last rows come into sight. */
  async _more() {
    if (!this.next || this.reading) return;
    this.reading = true;
    const run = this.run;
    try {
      const { reply } = await this._read(this.next);
      if (run !== this.run) return;
      for (const row of reply.rows) this.rows.push(this._row(row));
      this.next = reply.page.next;
      this.grid.grew();
      this._said([`${count(this.rows.length, "row")}${this.next ? " so far" : ""}`]);
    } catch (error) {
      this.next = null;
      tell(error.code === "DATABASE_CHANGED" ? "The database has changed since: Show reads it again" : error.message);
    } finally {
      this.reading = false;
    }
  }

  /** The key comes first, so that a row is known even where its values were cut. */
  _read(page) {
    const order = [...(this.sorted ? [`${quoted(this.names[this.sorted.index])} ${this.sorted.way === "descending" ? "DESC" : "ASC"}`] : []), ...this.key.map(named)];
    const condition = this.filter.value.trim();
    const query = `SELECT ${[...this.key.map(named), ...this.names.map(clipped), lengths(this.names)].join(", ")}
FROM ${quoted(this.table.name)}${condition ? `\nWHERE ${condition}` : ""}${order.length ? `\nORDER BY ${order.join(", ")}` : ""}`;
    return read({ database: this.app.database, query, page, rows_max: PAGE_ROWS });
  }

  _row(given) {
    const key = given.slice(0, this.key.length);
    const values = given.slice(this.key.length, -1);
    for (const part of (given.at(-1) ?? "").split(",").filter(Boolean)) {
      const [index, bytes] = part.split(":").map(Number);
      values[index] = new Clipped(values[index], bytes);
    }
    return Object.assign(values, { key });
  }

  _open(place, index) {
    const value = this.grid.row(place)[index];
    const whole = value instanceof Clipped ? () => this._whole(place, index) : null;
    const column = this.table.columns[index];
    if (!this.canEdit || column.isGenerated || whole) {
      const more = this.canEdit && !column.isGenerated ? [["Edit", () => this._edit(place, index, whole ? "" : value)]] : [];
      return openValue({ name: column.name, value, whole, more });
    }
    return this._edit(place, index, value);
  }

  async _whole(place, index) {
    const row = this.grid.row(place);
    try {
      const { reply } = await read({ database: this.app.database, query: `SELECT ${quoted(this.names[index])} FROM ${quoted(this.table.name)} WHERE ${this._where()}`, parameters: this._keys(row) });
      if (reply.rows.length === 0) throw new Error("the row is no longer there");
      openValue({ name: this.names[index], value: reply.rows[0][0] });
    } catch (error) {
      tell(error.message);
    }
  }

  _edit(place, index, value) {
    const row = this.grid.row(place);
    const name = this.names[index];
    const field = textField(name, row[index] instanceof Clipped ? "" : value, this.table.columns[index].type);
    const isSame = row[index] instanceof Clipped ? "" : ` AND ${named(name)} IS :was`;
    const statement = () => ({
      query: `UPDATE ${named(this.table.name)} SET ${named(name)} = :value WHERE ${this._where()}${isSame}`,
      parameters: { value: field.value(), ...this._keys(row), ...(isSame ? { was: row[index] } : {}) },
    });
    this._write({ title: `Edit ${name}`, body: field.element, statement, focus: field.focus });
  }

  _add() {
    const columns = this.table.columns.filter((column) => !column.isGenerated);
    const fields = rowFields(columns);
    const statement = () => {
      const given = fields.values();
      if (given.length === 0) return { query: `INSERT INTO ${named(this.table.name)} DEFAULT VALUES`, parameters: undefined };
      return {
        query: `INSERT INTO ${named(this.table.name)} (${given.map(([name]) => named(name)).join(", ")}) VALUES (${given.map((_one, at) => `:value_${at + 1}`).join(", ")})`,
        parameters: Object.fromEntries(given.map(([, value], at) => [`value_${at + 1}`, value])),
      };
    };
    this._write({ title: `Add a row to ${this.table.name}`, body: fields.element, statement, focus: fields.focus });
  }

  _delete() {
    const row = this.grid.row(this.grid.selection.active.place);
    const statement = () => ({ query: `DELETE FROM ${named(this.table.name)} WHERE ${this._where()}`, parameters: this._keys(row) });
    this._write({ title: "Delete this row?", body: null, statement, isDangerous: true });
  }

  async _write(asked) {
    const meta = await confirmWrite({ database: this.app.database, ...asked });
    if (meta === null) return;
    const top = this.grid.element.scrollTop;
    await this._begin(false);
    this.grid.element.scrollTop = top;
    this._said(meta);
  }

  _where() {
    return this.key.map((name, index) => `${named(name)} = :key_${index + 1}`).join(" AND ");
  }

  _keys(row) {
    return Object.fromEntries(row.key.map((value, index) => [`key_${index + 1}`, value]));
  }

  _said(parts) {
    fill(this.status, parts.filter(Boolean).map((part) => h("span", {}, part)));
  }
}

/** A large value comes without its rest, which would make a page of one row. */
function clipped(name) {
  const column = quoted(name);
  return `CASE WHEN octet_length(${column}) > ${CLIPPED_AT_BYTES} THEN substr(${column}, 1, ${CLIPPED_CHARACTERS}) ELSE ${column} END`;
}

/** Say the sizes of those that were cut: the place of the column, and its bytes. */
function lengths(names) {
  const parts = names.map((name, index) => `coalesce(CASE WHEN octet_length(${quoted(name)}) > ${CLIPPED_AT_BYTES} THEN '${index}:' || octet_length(${quoted(name)}) || ',' END, '')`);
  return parts.join(" || ");
}
