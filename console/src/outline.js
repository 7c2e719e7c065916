// The outline beside the editor: the tables of the database and their columns.

import { fill, h } from "./dom.js";
import { named } from "./sql.js";

export class Outline {
  constructor(app, onInsert) {
    Object.assign(this, { app, onInsert });
    this.search = h("input", { type: "search", placeholder: "Filter tables and columns", "aria-label": "Filter tables and columns", oninput: () => this.draw() });
    this.list = h("div", { class: "outline-list" });
    this.element = h("aside", { class: "outline", "aria-label": "Tables" }, this.search, this.list);
    this.open = new Set();
  }

  draw() {
    const wanted = this.search.value.trim().toLowerCase();
    const fits = (name) => name.toLowerCase().includes(wanted);
    const tables = this.app.schema.tables.filter((table) => fits(table.name) || table.columns.some(({ name }) => fits(name)));
    fill(this.list, tables.length ? tables.map((table) => this._table(table, wanted && !fits(table.name))) : h("p", { class: "empty" }, wanted ? "Nothing fits." : "No tables yet."));
  }

  _table(table, isOpen) {
    const column = ({ name, type, key }) =>
      h("li", {}, h("button", { type: "button", class: "outline-column", title: `Insert ${name}`, onclick: () => this.onInsert(named(name)) },
        h("span", { class: key ? "is-key" : null }, name), h("span", { class: "soft" }, key ? `${type.toLowerCase()} key` : type.toLowerCase())));
    const details = h("details", { class: "outline-table", open: isOpen || this.open.has(table.name) || this.app.schema.tables.length === 1 },
      h("summary", {}, h("span", { class: "outline-name" }, table.name), table.kind === "table" ? null : h("span", { class: "soft" }, table.kind)),
      h("div", { class: "outline-links" },
        h("button", { type: "button", class: "link", onclick: () => this.app.ask(`SELECT * FROM ${named(table.name)}`, { run: true }), "aria-label": `Select from ${table.name}` }, "Select"),
        h("button", { type: "button", class: "link", onclick: () => { this.app.show("see"); this.app.views.see.open(table.name); }, "aria-label": `Browse ${table.name}` }, "Browse")),
      h("ul", {}, table.columns.map(column)));
    details.addEventListener("toggle", () => (details.open ? this.open.add(table.name) : this.open.delete(table.name)));
    return details;
  }
}
