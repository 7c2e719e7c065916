// The queries that were run in this browser. They stay in it, and none is sent anywhere.

import { button, fill, h } from "./dom.js";

const KEPT = "sqlatch.history";
const MOST = 200;
const CHARACTERS_MAX = 20_000;

export class History {
  constructor(onTake) {
    this.onTake = onTake;
    this.search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search the history", oninput: () => this._draw() });
    this.list = h("ul", { class: "history-list" });
    this.dialog = h(
      "dialog", { class: "dialog wide", "aria-labelledby": "history-title" },
      h("div", { class: "dialog-head" },
        h("h2", { id: "history-title" }, "History"),
        this.search,
        button("Clear", () => { localStorage.removeItem(KEPT); this._draw(); }, { class: "quiet" }),
        button("Close", () => this.dialog.close(), { class: "quiet" })),
      this.list,
      h("p", { class: "hint" }, "Kept in this browser alone."));
    this.button = button("History", () => this._open(), { class: "quiet" });
  }

  /** Keep a query that was run. */
  add(database, text) {
    if (text.length > CHARACTERS_MAX) return;
    const others = this._all().filter((one) => one.text !== text || one.database !== database);
    const all = [{ database, text, at: Date.now() }, ...others].slice(0, MOST);
    try {
      localStorage.setItem(KEPT, JSON.stringify(all));
    } catch {
      localStorage.removeItem(KEPT);
    }
  }

  _all() {
    try {
      return JSON.parse(localStorage.getItem(KEPT)) ?? [];
    } catch {
      return [];
    }
  }

  _open() {
    if (!this.dialog.isConnected) document.body.append(this.dialog);
    this.search.value = "";
    this._draw();
    this.dialog.showModal();
  }

  _draw() {
    const wanted = this.search.value.toLowerCase();
    const found = this._all().filter(({ text }) => text.toLowerCase().includes(wanted));
    const item = ({ database, text, at }) =>
      h("li", {}, h("button", { type: "button", class: "history-item", onclick: () => { this.dialog.close(); this.onTake(text); } },
        h("code", {}, text.slice(0, 400)),
        h("span", { class: "soft" }, `${database} · ${new Date(at).toLocaleString()}`)));
    fill(this.list, found.length ? found.map(item) : h("li", { class: "empty" }, "Nothing here yet."));
  }
}
