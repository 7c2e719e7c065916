// Ask: an editor, its statements, and their results.

import { button, copy, fill, h, icon } from "./dom.js";
import { Editor } from "./editor.js";
import { History } from "./history.js";
import { Parameters } from "./parameters.js";
import { Outline } from "./outline.js";
import { Results } from "./results.js";
import { Run } from "./run.js";
import { statements } from "./sql.js";

const DRAFT = "sqlatch.draft";

export class Ask {
  constructor(app) {
    this.app = app;
    this.editor = new Editor({ onRun: () => this.run(), onRunHere: () => this.run({ here: true }), onChange: () => this._changed() });
    this.parameters = new Parameters();
    this.history = new History((text) => this.take(text));
    this.outline = new Outline(app, (text) => this.editor.insert(text));
    this.results = new Results(app, { goTo: (place) => this.editor.goTo(place), placeText: (place) => this.editor.placeText(place) });
    this.runButton = button("Run", () => this.run(), { class: "primary run", title: "Ctrl-Enter: what is selected, or everything" });
    this.cancelButton = button("Cancel", () => this.current?.cancel(), { class: "cancel", hidden: true });
    this.where = h("span", { class: "where" });
    const tools = h(
      "div", { class: "tools" },
      this.runButton, this.cancelButton,
      button("Explain", () => this.run({ plan: true }), { title: "Show how SQLite would find the rows, without running anything" }),
      this.where,
      h("span", { class: "rest" }),
      this.history.button,
      h("button", { type: "button", class: "quiet", onclick: () => this._link(), title: "Copy a link that holds this query" }, icon("M6.5 9.5l3-3M7 4.5l1.3-1.3a3 3 0 0 1 4.3 4.3L11.3 8.8M9 11.5l-1.3 1.3a3 3 0 0 1-4.3-4.3L4.7 7.2"), "Link"),
    );
    this.moment = h("p", { class: "moment-line", role: "status", hidden: true });
    const upper = h("section", { class: "upper", "aria-label": "Query" }, this.editor.element, this.parameters.element, this.moment, tools);
    const work = h("div", { class: "work" }, upper, this._handle(upper), this.results.element);
    this.element = h("div", { class: "ask" }, this.outline.element, work);
    this.editor.text = sessionStorage.getItem(DRAFT) ?? "";
    this._changed();
  }

  schemaChanged() {
    this.editor.complete(Object.fromEntries(this.app.schema.tables.map(({ name, columns }) => [name, columns])));
    this.outline.draw();
  }

  shown() {
    this.editor.focus();
  }

  /** Say that a moment of the past is read; null for the present. */
  showMoment(commit) {
    this.moment.hidden = commit === null;
    if (commit) fill(this.moment, `Reads the database as it was ${new Date(commit.at).toLocaleString()}. `, button("Back to the present", () => this.app.readAt(null), { class: "link" }));
  }

  /** Put a query into the editor. */
  take(text) {
    this.editor.text = text;
    this.editor.focus();
  }

  /** Run what is selected, else everything; `here`: the statement with the cursor in it. */
  async run({ here = false, plan = false } = {}) {
    const chosen = this._chosen(here);
    if (chosen.length === 0 || this.current) return;
    this.editor.mark([]);
    this.current = new Run(this.app, chosen, this.parameters);
    this._busy(true);
    try {
      const outcome = await this.current.start(plan);
      if (!plan && outcome !== null) this.history.add(this.app.database, chosen.map(({ text }) => text).join(";\n"));
      this._show(outcome);
    } finally {
      this.current = null;
      this._busy(false);
    }
  }

  _chosen(here) {
    const { from, to, head } = this.editor.selection;
    const text = this.editor.text;
    if (from !== to && !here) {
      return statements(text.slice(from, to)).map((one) => ({ ...one, from: one.from + from, to: one.to + from }));
    }
    const all = statements(text);
    if (!here) return all;
    const at = all.find((one) => head <= one.to + 1) ?? all.at(-1);
    return at === undefined ? [] : [at];
  }

  _show(outcome) {
    if (outcome === null) return;
    this.results.show(outcome);
    if (outcome.error?.place) {
      this.editor.mark([{ ...outcome.error.place, message: outcome.error.message }]);
    }
    if (outcome.wrote) this.app.reload();
  }

  _busy(isBusy) {
    this.runButton.disabled = isBusy;
    this.cancelButton.hidden = !isBusy;
    this.element.classList.toggle("busy", isBusy);
    if (isBusy) this.results.waiting();
  }

  _changed() {
    const all = statements(this.editor.text);
    sessionStorage.setItem(DRAFT, this.editor.text);
    this.parameters.show(all);
    fill(this.where, all.length > 1 ? `${all.length} statements, one transaction` : "");
  }

  _link() {
    const fragment = new URLSearchParams({ view: "ask", db: this.app.database, q: this.editor.text });
    copy(`${location.origin}${location.pathname}#${fragment}`, "a link to this query");
  }

  _handle(upper) {
    const set = (wanted) => {
      const height = Math.max(110, Math.min(innerHeight - 220, wanted));
      upper.style.height = `${height}px`;
      handle.setAttribute("aria-valuenow", String(Math.round((height / innerHeight) * 100)));
    };
    const keys = { ArrowUp: -24, ArrowDown: 24 };
    const handle = h("div", {
      class: "handle", role: "separator", tabindex: 0, "aria-valuenow": 36, "aria-orientation": "horizontal", "aria-label": "Height of the editor",
      onpointerdown: (event) => {
        event.preventDefault();
        const [start, height] = [event.clientY, upper.offsetHeight];
        const move = ({ clientY }) => set(height + clientY - start);
        addEventListener("pointermove", move);
        addEventListener("pointerup", () => removeEventListener("pointermove", move), { once: true });
      },
      onkeydown: (event) => { if (keys[event.key]) { event.preventDefault(); set(upper.offsetHeight + keys[event.key]); } },
    });
    return handle;
  }
}
