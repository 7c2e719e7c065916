// See: what is in the database, as a drawing and table by table.

import { Browse } from "./browse.js";
import { button, fill, h, table } from "./dom.js";
import { drawing } from "./drawing.js";
import { keyOf, rowsOf } from "./schema.js";
import { bytesText, count } from "./values.js";

export class See {
  constructor(app) {
    this.app = app;
    this.counts = new Map();
    this.list = h("nav", { class: "see-list", "aria-label": "In this database" });
    this.main = h("section", { class: "see-main", "aria-label": "Contents" });
    this.element = h("div", { class: "see" }, this.list, this.main);
    this.chosen = null;
  }

  schemaChanged() {
    if (this.countedOf !== this.app.database) {
      this.counts.clear();
      this.chosen = null;
    }
    this.countedOf = this.app.database;
    if (this.chosen !== null && this._table(this.chosen) === undefined) this.chosen = null;
    if (this.element.isConnected) this.shown();
  }

  shown() {
    this._draw();
    this._count();
  }

  /** Show a table. */
  open(name) {
    this.chosen = name;
    this._draw();
  }

  _table(name) {
    return this.app.schema.tables.find((table) => table.name === name);
  }

  _draw() {
    const { tables } = this.app.schema;
    const { databases } = this.app;
    const part = (title, some, item = (one) => this._item(one)) => (some.length ? [h("h2", {}, title), h("ul", {}, some.map(item))] : []);
    fill(this.list,
      h("ul", {}, h("li", {}, button("Drawing", () => this.open(null), { class: "see-item", "aria-current": this.chosen === null ? "true" : null }))),
      part("Tables", tables.filter(({ kind }) => kind !== "view")),
      part("Views", tables.filter(({ kind }) => kind === "view")),
      part("Databases", databases.length > 1 ? databases : [], (one) => this._database(one)));
    if (this.chosen === null) this._overview();
    else this._contents(this._table(this.chosen));
  }

  _item(table) {
    const rows = this.counts.get(table.name);
    return h("li", {}, h("button", { type: "button", class: "see-item", onclick: () => this.open(table.name), "aria-current": this.chosen === table.name ? "true" : null },
      h("span", { class: "see-name" }, table.name),
      h("span", { class: "soft" }, rows === undefined || rows === null ? "" : count(rows))));
  }

  _database({ name, bytes }) {
    return h("li", {}, h("button", { type: "button", class: "see-item", onclick: () => this.app.choose(name), "aria-current": this.app.database === name ? "true" : null },
      h("span", { class: "see-database" }, name), h("span", { class: "soft" }, bytes === null ? "" : bytesText(bytes))));
  }

  /** Count the rows of each table, one after the other: a large one takes its time. */
  async _count() {
    if (this.counting) return;
    this.counting = true;
    const { database, schema } = this.app;
    for (const { name, kind } of schema.tables) {
      if (kind === "view" || this.counts.has(name)) continue;
      const rows = await rowsOf(database, name);
      if (this.app.database !== database) break;
      this.counts.set(name, rows);
      if (this.element.isConnected) this._drawCounts();
    }
    this.counting = false;
  }

  _drawCounts() {
    for (const item of this.list.querySelectorAll(".see-item")) {
      const name = item.querySelector(".see-name")?.textContent;
      const rows = this.counts.get(name);
      if (name && rows !== undefined && rows !== null) item.lastChild.textContent = count(rows);
    }
    const place = this.main.querySelector(".see-rows");
    if (place) place.textContent = this._rowsText();
  }

  _rowsText() {
    const known = [...this.counts.values()].filter((rows) => rows !== null && rows !== undefined);
    return known.length ? count(known.reduce((sum, rows) => sum + rows, 0), "row") : "";
  }

  _overview() {
    const { schema, databases, database } = this.app;
    const bytes = databases.find(({ name }) => name === database)?.bytes;
    const said = [
      bytes === null || bytes === undefined ? null : bytesText(bytes),
      count(schema.tables.filter(({ kind }) => kind !== "view").length, "table"),
      count(schema.tables.filter(({ kind }) => kind === "view").length, "view"),
      count(schema.indexes.length, "index", "indexes"),
      count(schema.triggers.length, "trigger"),
    ].filter(Boolean);
    fill(this.main,
      h("header", { class: "see-head" }, h("h2", {}, database), h("p", { class: "soft facts-line" }, said.map((one) => h("span", {}, one)), h("span", { class: "see-rows" }, this._rowsText()))),
      schema.tables.length
        ? h("div", { class: "drawing-place", tabindex: 0, role: "group", "aria-label": "Tables and the keys between them" }, drawing(schema.tables, (name) => this.open(name)))
        : h("p", { class: "nothing" }, "No tables yet. A CREATE TABLE in Ask makes the first."));
  }

  _contents(table) {
    const switcher = h("div", { class: "switch", role: "group", "aria-label": "Show" });
    const place = h("div", { class: "see-place" });
    const views = { Rows: () => new Browse(this.app, table).element, Structure: () => structure(table, this.app.schema) };
    const choose = (name) => {
      for (const one of switcher.children) one.setAttribute("aria-pressed", String(one.textContent === name));
      fill(place, views[name]());
    };
    fill(switcher, Object.keys(views).map((name) => button(name, () => choose(name))));
    const key = keyOf(table);
    fill(this.main,
      h("header", { class: "see-head" }, h("h2", {}, table.name),
        h("p", { class: "soft facts-line" }, h("span", {}, table.kind), h("span", {}, count(table.columns.length, "column")), key.length ? h("span", {}, `key: ${key.join(", ")}`) : null),
        h("span", { class: "rest" }), switcher),
      place);
    choose("Rows");
  }
}

function structure({ name, columns, indexes, keys, sql }, schema) {
  const part = (title, names, rows) => (rows.length ? [h("h3", {}, title), table(title, names, rows)] : null);
  const triggers = schema.triggers.filter((one) => one.table === name);
  return h("div", { class: "structure", tabindex: 0, role: "group", "aria-label": `Structure of ${name}` },
    part("Columns", ["Name", "Type", "Key", "NULL", "Default"], columns.map((column) => [
      h("code", {}, column.name), column.type || "any", column.key ? `key ${column.key}` : "", column.isNotNull ? "no" : "yes", column.isGenerated ? "generated" : (column.preset ?? ""),
    ])),
    part("Indexes", ["Name", "Columns", "Kind"], indexes.map((index) => [
      h("code", {}, index.name), index.columns.map((one) => one ?? "(expression)").join(", "),
      [index.isUnique && "unique", index.origin === "pk" && "primary key", index.isPartial && "partial"].filter(Boolean).join(", "),
    ])),
    part("Foreign keys", ["Columns", "Refer to", "On delete"], keys.map((key) => [
      key.from.join(", "), `${key.parent} (${key.to.join(", ") || "its key"})`, key.onDelete.toLowerCase(),
    ])),
    triggers.length ? [h("h3", {}, "Triggers"), triggers.map((one) => h("pre", { class: "sql" }, one.sql))] : null,
    sql ? [h("h3", {}, "SQL"), h("pre", { class: "sql" }, [sql, ...indexes.map((index) => index.sql).filter(Boolean)].join(";\n\n"))] : null);
}
