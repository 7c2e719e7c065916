// The results of a run: each as rows, as a chart, as a plan; and what it cost.

import { announce, button, fill, h, save, tell } from "./dom.js";
import { Chart } from "./chart.js";
import * as formats from "./formats.js";
import { Grid } from "./grid.js";
import { openValue } from "./cell.js";
import { markOf, planView } from "./plan.js";
import { parquet } from "./parquet.js";
import { bytesText, count, timeText } from "./values.js";
import { verb } from "./sql.js";

const COPIES = [
  ["For a spreadsheet", formats.separatedByTabs], ["CSV", formats.csv], ["JSON", formats.json],
  ["Markdown", formats.markdown], ["INSERT", formats.inserts],
];

export class Results {
  constructor(app, { goTo, placeText }) {
    Object.assign(this, { app, goTo, placeText });
    this.status = h("div", { class: "status" });
    this.tabs = h("div", { class: "result-tabs", role: "tablist", "aria-label": "Results", hidden: true });
    this.body = h("div", { class: "result-body" });
    this.element = h("section", { class: "results", "aria-label": "Results" }, this.tabs, this.body, this.status);
    fill(this.body, hint());
  }

  waiting() {
    fill(this.status, h("span", { class: "soft" }, "Running…"));
  }

  show(outcome) {
    this.outcome = outcome;
    this.tabs.hidden = outcome.results.length < 2;
    fill(this.tabs, outcome.results.map((result, index) => this._tab(result, index)));
    if (outcome.error) return this._error(outcome);
    if (outcome.cancelled) return this._cancelled(outcome);
    this._choose(outcome.results.length - 1);
    announce(heard(outcome));
  }

  _tab(result, index) {
    const said = result.columns.length ? count(result.rows.length, "row") : `${count(result.rows_affected, "row")} written`;
    return h("button", { type: "button", class: "result-tab", role: "tab", id: `result-${index}`, onclick: () => this._choose(index) },
      h("span", { class: "soft" }, `${index + 1} `), verb(result.statement), h("span", { class: "soft" }, this.outcome.isPlan ? "" : ` · ${said}`));
  }

  _choose(index) {
    [...this.tabs.children].forEach((tab, place) => {
      tab.setAttribute("aria-selected", String(place === index));
      tab.tabIndex = place === index ? 0 : -1;
    });
    const result = this.outcome.results[index];
    if (this.outcome.isPlan) {
      fill(this.body, planView(this.app, result));
      fill(this.status, h("span", {}, `Nothing was run. ${timeText(this.outcome.meta.duration_ms)} to plan.`));
    } else if (result.columns.length === 0) {
      fill(this.body, this._written(result));
      this._cost(result);
    } else {
      this._rows(result);
    }
  }

  _rows(result) {
    const grid = new Grid({
      label: "Rows",
      onOpen: (place, index) => openValue({ name: result.columns[index], value: grid.row(place)[index] }),
    });
    this.grid = grid;
    grid.show(result.columns, result.rows);
    const chart = new Chart(result);
    const pane = h("div", { class: "pane" }, grid.element);
    const views = [["Rows", grid.element], ["Chart", chart.element]];
    const switcher = h("div", { class: "switch", role: "group", "aria-label": "Show as" });
    const choose = (name) => {
      for (const one of switcher.children) one.setAttribute("aria-pressed", String(one.textContent === name));
      fill(pane, views.find(([one]) => one === name)[1]);
      if (name === "Chart") chart.draw();
      grid._later();
    };
    fill(switcher, views.map(([name]) => button(name, () => choose(name))));
    const tools = h("div", { class: "result-tools" }, switcher, h("span", { class: "rest" }), this._more(result, grid), menu("Copy", COPIES.map(([name, form]) => [name, () => grid.copy(form)])), this._saving(result));
    fill(this.body, tools, pane);
    choose("Rows");
    this._cost(result);
  }

  _more(result, grid) {
    if (!this.outcome.more || !result.page?.next) {
      return result.truncated ? h("span", { class: "notice" }, `The first ${count(result.rows.length, "row")}: there are more`) : null;
    }
    const place = h("span", { class: "notice" });
    const draw = () => fill(place, result.page.next
      ? [`The first ${count(result.rows.length, "row")} `, button("Next page", next, { class: "link" })]
      : `All ${count(result.rows.length, "row")}`);
    const next = async () => {
      fill(place, "Reading…");
      await this._page(result).catch((error) => tell(error.message));
      grid.grew();
      this._cost(result);
      draw();
    };
    draw();
    return place;
  }

  async _page(result) {
    const page = await this.outcome.more(result.page.next);
    for (const row of page.rows) result.rows.push(row);
    result.page = page.page;
    if (result.cost && page.cost) {
      result.cost = { duration_ms: result.cost.duration_ms + page.cost.duration_ms, rows_scanned: result.cost.rows_scanned + page.cost.rows_scanned };
    }
    this.outcome.bytes += page.bytes;
  }

  _saving(result) {
    const whole = async () => {
      while (this.outcome.more && result.page?.next) {
        tell(`Reading… ${count(result.rows.length, "row")}`);
        await this._page(result);
      }
      this.grid.grew();
      this._cost(result);
    };
    const name = `${this.outcome.database}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}`;
    const saving = (ending, type, form) => async () => {
      try {
        await whole();
        save(`${name}.${ending}`, [form(result.columns, result.rows)], type);
      } catch (error) {
        tell(error.message);
      }
    };
    return menu("Save", [
      ["CSV", saving("csv", "text/csv", formats.csv)],
      ["JSON", saving("json", "application/json", formats.json)],
      ["Parquet", saving("parquet", "application/vnd.apache.parquet", parquet)],
    ]);
  }

  _written(result) {
    const id = result.last_insert_rowid;
    return h("div", { class: "written" },
      h("p", { class: "figure" }, count(result.rows_affected, "row"), h("span", { class: "soft" }, " written")),
      id !== null && verb(result.statement) === "INSERT" ? h("p", { class: "soft" }, `Last row id ${id}`) : null);
  }

  _cost(result) {
    const { meta, bytes, wrote } = this.outcome;
    const parts = [
      result.columns.length ? count(result.rows.length, "row") : `${count(result.rows_affected, "row")} affected`,
      timeText(meta.duration_ms),
      ...cost(result),
      bytesText(bytes),
      lease(meta, wrote),
      meta.replayed ? "replayed: it had been applied before" : null,
      meta.position ? `position ${meta.position}` : null,
    ];
    fill(this.status, parts.filter(Boolean).map((text) => h("span", {}, text)));
  }

  _error({ error, again }) {
    const code = error.index > 0 ? `${error.code} in statement ${error.index + 1}` : error.code;
    const place = error.place && this.placeText(error.place.from);
    announce(`${code}: ${error.message}${place ? ` At ${place}.` : ""}`, { isUrgent: true });
    fill(this.body, h("div", { class: "refusal", role: "group", "aria-label": "Refusal" },
      h("p", { class: "refusal-code" }, code),
      h("p", { class: "refusal-text" }, error.message),
      facts(error.facts),
      place ? button(`Go to ${place}`, () => this.goTo(error.place.from), { class: "link" }) : null,
      again ? this._again(again) : null));
    fill(this.status, h("span", { class: "soft" }, "Refused"));
  }

  _cancelled({ wrote, again }) {
    fill(this.body, h("div", { class: "refusal" },
      h("p", { class: "refusal-code" }, "Cancelled"),
      h("p", { class: "refusal-text" }, wrote ? "The page no longer waits for the answer. The write may have been applied." : "The page no longer waits for the answer. Nothing was written."),
      again ? this._again(again) : null));
    fill(this.status, h("span", { class: "soft" }, "Cancelled"));
    announce("Cancelled");
  }

  _again(again) {
    return button("Ask again with the same key: it is applied once", async () => {
      this.waiting();
      this.show(await again());
    }, { class: "link" });
  }
}

/** Return what a screen reader is told when statements have run: rows and time. */
function heard({ results, meta, isPlan }) {
  if (isPlan) {
    const marks = results.flatMap((result) => result.rows.map(([, , , detail]) => markOf(detail).kind));
    return `Plan of ${count(marks.length, "step")}, ${count(marks.filter((kind) => kind === "bad").length)} marked as costly`;
  }
  const rows = (result) => (result.columns.length ? count(result.rows.length, "row") : `${count(result.rows_affected, "row")} written`);
  return `${results.map(rows).join(", ")} in ${timeText(meta.duration_ms)}`;
}

/** Return the time of the statement itself, and the rows that SQLite stepped over to find its own. */
function cost({ cost: known }) {
  if (!known) return [];
  const { duration_ms: took, rows_scanned: scanned } = known;
  return [`SQLite ${timeText(Number(took))}`, scanned === null ? null : `${count(scanned, "row")} stepped over`];
}

function lease(meta, wrote) {
  if (meta.lease_wait_ms !== null && meta.lease_wait_ms !== undefined) return `lease waited ${timeText(meta.lease_wait_ms)}`;
  return wrote ? "written" : "read, no lease";
}

function facts(all) {
  const shown = Object.entries(all).filter(([name]) => !["retryable", "offset", "statement"].includes(name));
  if (shown.length === 0) return null;
  return h("dl", { class: "facts" }, shown.map(([name, fact]) => [h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, String(fact))]));
}

function hint() {
  return h("div", { class: "nothing" },
    h("p", {}, "Results appear here."),
    h("p", { class: "soft" }, h("kbd", {}, "Ctrl"), " ", h("kbd", {}, "Enter"), " runs what is selected, or everything. With ", h("kbd", {}, "Shift"), " only the statement at the cursor."));
}

/** Return a button that opens a list of actions. */
export function menu(label, items) {
  const id = `menu-${label.toLowerCase()}-${++menus}`;
  const list = h("div", { class: "menu-list", id, popover: "auto" }, items.map(([name, act]) => button(name, () => { list.hidePopover(); act(); })));
  const opener = button(label, () => {
    const box = opener.getBoundingClientRect();
    list.style.top = `${box.bottom + 4}px`;
    list.style.right = `${document.documentElement.clientWidth - box.right}px`;
    list.togglePopover();
  }, { class: "quiet menu", "aria-expanded": "false", "aria-controls": id });
  list.addEventListener("toggle", ({ newState }) => opener.setAttribute("aria-expanded", String(newState === "open")));
  return h("span", { class: "menu-place" }, opener, list);
}

let menus = 0;
