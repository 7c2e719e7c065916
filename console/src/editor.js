// The editor of SQL: CodeMirror 6, in a shadow root, where its styles are constructed sheets. A
// <style> element, which it would add to the page itself, is what the page's policy forbids.

import { autocompletion, closeBrackets, closeBracketsKeymap, closeCompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { sql, SQLite } from "@codemirror/lang-sql";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, Prec } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const THEME = EditorView.theme({
  "&": { height: "100%", fontSize: "13px", color: "var(--ink)", backgroundColor: "var(--paper)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6" },
  ".cm-content": { padding: "10px 0", caretColor: "var(--accent)" },
  ".cm-line": { padding: "0 14px 0 6px" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  ".cm-gutters": { backgroundColor: "var(--paper)", color: "var(--faint)", border: "none" },
  ".cm-lineNumbers .cm-gutterElement": { padding: "0 6px 0 14px", minWidth: "34px" },
  ".cm-activeLine": { backgroundColor: "var(--hover)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--hover)", color: "var(--soft)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--selection)" },
  ".cm-selectionMatch": { backgroundColor: "var(--match)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--match)", outline: "1px solid var(--line-strong)" },
  ".cm-placeholder": { color: "var(--soft)" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--ink)", border: "1px solid var(--line-strong)", borderRadius: "6px", boxShadow: "var(--shadow)", overflow: "hidden" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "12.5px", maxHeight: "16em" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 10px" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-completionDetail": { color: "var(--soft)", fontStyle: "normal", marginLeft: "1.2em" },
  "li[aria-selected] .cm-completionDetail": { color: "inherit" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "600" },
  ".cm-diagnostic": { padding: "6px 10px", fontFamily: "var(--sans)" },
  ".cm-diagnostic-error": { borderLeft: "3px solid var(--bad)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--bad)", textUnderlineOffset: "3px" },
  ".cm-gutter-lint": { width: "10px" },
  ".cm-gutter-lint .cm-gutterElement": { padding: "0 1px" },
  ".cm-lint-marker": { width: "8px", height: "8px", margin: "6px 0" },
  ".cm-lint-marker-error": { content: "none", backgroundColor: "var(--bad)", borderRadius: "50%" },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--ink)", borderColor: "var(--line)" },
  ".cm-textfield": { backgroundColor: "var(--paper)", border: "1px solid var(--line-strong)", color: "var(--ink)" },
  ".cm-button": { backgroundImage: "none", backgroundColor: "var(--paper)", border: "1px solid var(--line-strong)", color: "var(--ink)" },
});

const COLORS = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--sql-keyword)", fontWeight: "500" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--sql-text)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--sql-number)" },
  { tag: [tags.lineComment, tags.blockComment], color: "var(--soft)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.standard(tags.name)], color: "var(--sql-type)" },
  { tag: tags.special(tags.name), color: "var(--sql-parameter)" },
]);

/** An editor of SQL. `onRun` is called for Ctrl-Enter, `onChange` with each change of the text. */
export class Editor {
  constructor({ onRun, onRunHere, onChange }) {
    this.element = document.createElement("div");
    this.element.className = "editor";
    const root = this.element.attachShadow({ mode: "open" });
    this._language = new Compartment();
    this._label = new Compartment();
    const run = (command) => (view) => (closeCompletion(view), command(), true);
    this.view = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        extensions: [
          Prec.highest(keymap.of([
            { key: "Mod-Enter", run: run(onRun) },
            { key: "Mod-Shift-Enter", run: run(onRunHere) },
          ])),
          lineNumbers(), lintGutter(), history(), drawSelection(), highlightActiveLine(), highlightActiveLineGutter(),
          bracketMatching(), closeBrackets(), highlightSelectionMatches(),
          autocompletion({ icons: false, maxRenderedOptions: 60 }),
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...searchKeymap, ...historyKeymap, ...defaultKeymap, indentWithTab]),
          EditorState.tabSize.of(2),
          EditorView.contentAttributes.of({ "aria-label": "SQL", spellcheck: "false" }),
          EditorView.updateListener.of((update) => update.docChanged && onChange()),
          this._language.of(sql({ dialect: SQLite, upperCaseKeywords: true })),
          placeholder("SELECT …    Ctrl-Enter runs it"),
          THEME, syntaxHighlighting(COLORS),
        ],
      }),
    });
  }

  get text() {
    return this.view.state.doc.toString();
  }

  set text(text) {
    this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: text }, selection: { anchor: text.length } });
  }

  /** The place of the cursor, and the range that is selected. */
  get selection() {
    const { from, to, head } = this.view.state.selection.main;
    return { from, to, head };
  }

  focus() {
    this.view.focus();
  }

  /** Put a text in the place of the selection. */
  insert(text) {
    this.view.dispatch(this.view.state.replaceSelection(text));
    this.view.focus();
  }

  /** Offer these tables and columns: {table: [{name, type}, ...]}. */
  complete(tables) {
    const schema = Object.fromEntries(
      Object.entries(tables).map(([table, columns]) => [
        table.replaceAll(".", "\\."),
        columns.map(({ name, type }) => ({ label: name, detail: type.toLowerCase(), type: "property", boost: 2 })),
      ]),
    );
    const language = sql({ dialect: SQLite, upperCaseKeywords: true, schema });
    this.view.dispatch({ effects: this._language.reconfigure(language) });
  }

  /** Mark the places of errors, and none but those. */
  mark(errors) {
    const size = this.view.state.doc.length;
    const diagnostics = errors.map(({ from, to, message }) => ({
      from: Math.min(from, size), to: Math.min(to, size), severity: "error", message,
    }));
    this.view.dispatch(setDiagnostics(this.view.state, diagnostics));
  }

  /** Return a place in the text as people say it. */
  placeText(place) {
    const line = this.view.state.doc.lineAt(Math.min(place, this.view.state.doc.length));
    return `line ${line.number}, column ${place - line.from + 1}`;
  }

  /** Go to a place in the text. */
  goTo(place) {
    this.view.dispatch({ selection: { anchor: place }, scrollIntoView: true });
    this.view.focus();
  }
}
