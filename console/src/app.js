// The page: signing in, the choice of the database, and its views.

import { Ask } from "./ask.js";
import { announce, button, fill, h, icon, places, tell } from "./dom.js";
import { EMPTY, schemaOf } from "./schema.js";
import { See } from "./see.js";
import { databasesOfToken, health, keepToken, takeToken, token } from "./session.js";
import { Watch } from "./watch.js";
import { bytesText } from "./values.js";

const VIEWS = [["ask", "Ask", Ask], ["see", "See", See], ["watch", "Watch", Watch]];
const THEME = "sqlatch.theme";
const DARK = matchMedia("(prefers-color-scheme: dark)");
const KEPT_DATABASE = "sqlatch.database";

class App {
  constructor() {
    this.databases = [];
    this.database = "main";
    this.at = null;
    this.schema = EMPTY;
    this.picker = h("select", { class: "picker", "aria-label": "Database", onchange: () => this.choose(this.picker.value) });
    this.tabs = h("nav", { class: "tabs", "aria-label": "Views" });
    this.main = h("main", { class: "main" });
  }

  async start() {
    takeToken();
    applyTheme();
    DARK.addEventListener("change", applyTheme);
    try {
      await this.load();
    } catch (error) {
      this.signIn(error);
      return;
    }
    this.open();
  }

  /** Ask which databases there are. A token that is not for all of them names its own. */
  async load() {
    this.health = null;
    const own = token() === null ? null : databasesOfToken();
    try {
      this.health = await health();
      // A node that follows knows no sizes while its leader is away.
      this.databases = this.health.databases.map((one) => ({ bytes: null, ...one }));
    } catch (error) {
      if (own === null) throw error;
      this.databases = own.map((name) => ({ name, bytes: null }));
      await schemaOf(this.databases[0].name);
    }
  }

  signIn(error) {
    const needed = error.code === "UNAUTHORIZED" || /^HTTP 40[13]$/.test(error.code);
    const field = h("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true });
    const problem = h("p", { class: "problem" }, token() !== null || !needed ? error.message : "");
    const submit = async (event) => {
      event.preventDefault();
      keepToken(field.value.trim());
      try {
        await this.load();
        this.open();
      } catch (refusal) {
        keepToken("");
        problem.textContent = refusal.message;
        announce(refusal.message, { isUrgent: true });
        field.focus();
      }
    };
    fill(
      document.body,
      h("main", { class: "sign-in" },
        h("form", { onsubmit: submit },
          brand(),
          h("h1", {}, "Sign in"),
          h("p", {}, "A token says which databases you may read and write. It stays in this tab, and is forgotten when the tab is closed."),
          h("label", { for: "token" }, "Token"), field, problem,
          h("button", { type: "submit", class: "primary" }, "Sign in"),
          h("p", { class: "hint" }, "sqlatch token sign makes one. sqlatch serve prints a link that brings its own."))),
      places(),
    );
    field.focus();
  }

  async open() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    this.views = Object.fromEntries(VIEWS.map(([name, , View]) => [name, new View(this)]));
    fill(
      document.body,
      h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); this.main.focus(); } }, "Skip to the view"),
      h("header", { class: "bar" }, brand("h1"), this.picker, this.tabs, h("span", { class: "bar-rest" }), themeButton(), this.out()),
      this.main, places(),
    );
    this.main.id = "main";
    this.main.tabIndex = -1;
    this.drawTabs();
    const names = this.databases.map(({ name }) => name);
    const kept = wanted.get("db") ?? sessionStorage.getItem(KEPT_DATABASE);
    const first = largest(this.databases);
    const chosen = names.includes(kept) ? kept : (first ?? kept ?? "main");
    await this.choose(chosen, wanted.get("view") ?? "ask");
    if (wanted.has("q")) this.views.ask.take(wanted.get("q"));
    addEventListener("hashchange", () => this.goTo(new URLSearchParams(location.hash.slice(1))));
  }

  out() {
    if (token() === null) return null;
    return button("Sign out", () => { keepToken(""); location.reload(); }, { class: "quiet" });
  }

  drawTabs() {
    fill(this.tabs, VIEWS.map(([name, label]) => button(label, () => this.show(name), { class: "tab", "data-view": name })));
  }

  /** Show another database. */
  async choose(database, view = this.view) {
    if (database !== this.database) this.readAt(null);
    this.database = database;
    sessionStorage.setItem(KEPT_DATABASE, database);
    this.drawPicker();
    await this.reload();
    this.show(view);
  }

  /** Read the schema again, as after a write that has changed it. */
  async reload() {
    try {
      this.schema = await schemaOf(this.database);
    } catch (error) {
      this.schema = EMPTY;
      tell(error.message);
    }
    for (const view of Object.values(this.views)) view.schemaChanged();
  }

  drawPicker() {
    const names = this.databases.map(({ name }) => name);
    const all = names.includes(this.database) ? this.databases : [...this.databases, { name: this.database, bytes: null }];
    fill(this.picker, all.map(({ name, bytes }) => h("option", { value: name, selected: name === this.database }, bytes === null ? name : `${name} · ${bytesText(bytes)}`)));
    this.picker.value = this.database;
  }

  show(name) {
    this.view = this.views[name] ? name : "ask";
    for (const tab of this.tabs.children) {
      if (tab.dataset.view === this.view) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    const view = this.views[this.view];
    fill(this.main, view.element);
    document.title = `${VIEWS.find(([one]) => one === this.view)[1]} · ${this.database} · sqlatch`;
    this.address();
    view.shown();
  }

  /** Keep in the address where the page is, so that going back and a bookmark mean it. */
  address(more = {}) {
    const fragment = new URLSearchParams({ view: this.view, db: this.database, ...more });
    history.replaceState(null, "", `#${fragment}`);
  }

  goTo(wanted) {
    if (wanted.has("token")) takeToken();
    const ask = () => wanted.has("q") && this.views.ask.take(wanted.get("q"));
    this.choose(wanted.get("db") ?? this.database, wanted.get("view") ?? this.view).then(ask);
  }

  /** Read a moment of the past in Ask; null for the present. */
  readAt(commit) {
    this.at = commit?.position ?? null;
    this.views.ask.showMoment(commit);
  }

  /** Show a query in Ask; `run` runs it too. */
  ask(text, { run = false, plan = false } = {}) {
    this.show("ask");
    this.views.ask.take(text);
    if (run || plan) this.views.ask.run({ plan });
  }
}

function largest(databases) {
  const known = databases.filter(({ bytes }) => bytes !== null);
  return (known.length ? known : databases).reduce((best, one) => (best === null || one.bytes > best.bytes ? one : best), null)?.name ?? null;
}

function brand(name = "span") {
  return h(name, { class: "brand" }, icon("M2 3.5h12M2 8h12M2 12.5h7"), "sqlatch");
}

function themeButton() {
  const next = { dark: "light", light: "dark" };
  const flip = () => {
    localStorage.setItem(THEME, next[document.documentElement.dataset.theme]);
    applyTheme();
  };
  return h("button", { type: "button", class: "quiet", "aria-label": "Light or dark", title: "Light or dark", onclick: flip }, icon("M8 1.5a6.5 6.5 0 1 0 0 13zM8 1.5a6.5 6.5 0 0 1 0 13"));
}

/** Show the theme that was chosen here, or else that of the system. */
function applyTheme() {
  document.documentElement.dataset.theme = localStorage.getItem(THEME) ?? (DARK.matches ? "dark" : "light");
}

new App().start();
