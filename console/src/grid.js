// A grid of rows of which only those in sight are elements. Each row has the same height, so that
// the first one in sight is a division away.

import { announce, copy, h } from "./dom.js";
import { separatedByTabs } from "./formats.js";
import { Selection } from "./selection.js";
import { compare, count, shown, typeOf } from "./values.js";
import { isNumeric, widthOf, widthOfNumbers } from "./widths.js";

const ROW = 28;
const BEYOND = 8;
const NEAR_END = 200;

let grids = 0;

export class Grid {
  /** `onOpen(row, column)` is called by Enter or a double click, `onNearEnd` close to the last row. */
  constructor({ label, onOpen = () => {}, onNearEnd = () => {}, onSort = null, onActive = () => {} }) {
    Object.assign(this, { onOpen, onNearEnd, onSort, onActive, _shown: new Map(), _spare: [] });
    this.id = `grid${++grids}`;
    this.selection = new Selection();
    this.head = h("div", { class: "grid-row grid-head-row", role: "row", "aria-rowindex": 1 });
    this.body = h("div", { class: "grid-body", role: "rowgroup" });
    this.element = h(
      "div",
      { class: "grid", role: "grid", tabindex: 0, "aria-label": label, "aria-multiselectable": "true" },
      h("div", { class: "grid-head", role: "rowgroup" }, this.head),
      this.body,
    );
    this.element.addEventListener("scroll", () => this._later(), { passive: true });
    this.element.addEventListener("keydown", (event) => this._key(event));
    this.body.addEventListener("pointerdown", (event) => this._down(event));
    this.body.addEventListener("pointermove", (event) => event.buttons === 1 && this._drag(event));
    this.body.addEventListener("dblclick", () => this._open());
    this.element.addEventListener("copy", (event) => { event.preventDefault(); this.copy(); });
    new ResizeObserver(() => this._later()).observe(this.element);
    this.show([], []);
  }

  /** Show other columns and rows. */
  show(columns, rows) {
    Object.assign(this, { columns, rows, order: null, sorted: null });
    this.selection.clear();
    this.widths = columns.map((name, index) => widthOf(name, rows, index));
    this._drawHead();
    this.element.scrollTop = 0;
    this._drawAll();
  }

  /** Show rows that came behind the others, which `rows` has already. */
  grew() {
    if (this.sorted && !this.onSort) this._sort();
    this._drawAll();
  }

  /** Return the row at a place in sight's order. */
  row(place) {
    return this.rows[this.order === null ? place : this.order[place]];
  }

  /** Copy the selected cells, separated by tabs. */
  copy(form = separatedByTabs) {
    const { columns, rows } = this.selected();
    if (rows.length === 0) return;
    copy(form(columns, rows), rows.length * columns.length === 1 ? "1 cell" : `${count(rows.length, "row")} of ${count(columns.length, "column")}`);
  }

  /** Return the columns and rows that are selected, or everything where nothing is. */
  selected() {
    const { range } = this.selection;
    if (range === null) return { columns: this.columns, rows: this.rows.map((_row, place) => this.row(place)) };
    const cut = (all) => all.slice(range.left, range.right + 1);
    const rows = Array.from({ length: range.bottom - range.top + 1 }, (_one, place) => cut(this.row(range.top + place)));
    return { columns: cut(this.columns), rows };
  }

  _drawHead() {
    const cells = this.columns.map((name, index) => {
      const mark = h("span", { class: "grid-mark", "aria-hidden": "true" });
      const cell = h(
        "div",
        { class: "grid-cell grid-name", role: "columnheader", "aria-colindex": index + 2, "aria-sort": "none", title: name, onclick: () => this.sort(index) },
        h("span", { class: "grid-name-text" }, name), mark,
        h("span", { class: "grid-grip", onpointerdown: (event) => this._resize(event, index), onclick: (event) => event.stopPropagation() }),
      );
      cell.classList.toggle("number", this.rows.length > 0 && isNumeric(this.rows, index));
      return cell;
    });
    this.head.replaceChildren(h("div", { class: "grid-cell grid-number", role: "columnheader", "aria-colindex": 1, "aria-label": "Row" }, "#"), ...cells);
    this.element.setAttribute("aria-colcount", String(this.columns.length + 1));
    this._setWidths();
  }

  _setWidths() {
    const first = widthOfNumbers(this.rows);
    this.element.style.setProperty("--columns", `${first}px ${this.widths.map((width) => `${width}px`).join(" ")}`);
    this.element.style.setProperty("--first", `${first}px`);
    this.body.style.width = this.head.style.width = `${first + this.widths.reduce((sum, width) => sum + width, 0)}px`;
  }

  _resize(event, index) {
    event.preventDefault();
    event.stopPropagation();
    const [start, width] = [event.clientX, this.widths[index]];
    const move = ({ clientX }) => {
      this.widths[index] = Math.max(36, width + clientX - start);
      this._setWidths();
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", () => removeEventListener("pointermove", move), { once: true });
  }

  /** Sort by a column: upwards, then downwards, then as the rows came. */
  sort(index) {
    const next = this.sorted?.index !== index ? "ascending" : this.sorted.way === "ascending" ? "descending" : null;
    this.sorted = next && { index, way: next };
    [...this.head.children].slice(1).forEach((cell, place) => {
      const way = place === this.sorted?.index ? this.sorted.way : "none";
      cell.setAttribute("aria-sort", way);
      cell.querySelector(".grid-mark").textContent = { ascending: "↑", descending: "↓", none: "" }[way];
    });
    announce(this.sorted ? `Sorted by ${this.columns[index]}, ${this.sorted.way}` : "Not sorted");
    if (this.onSort) return this.onSort(this.sorted);
    this._sort();
    this._drawAll();
  }

  _sort() {
    if (!this.sorted) {
      this.order = null;
      return;
    }
    const { index, way } = this.sorted;
    const sign = way === "ascending" ? 1 : -1;
    this.order = Uint32Array.from(this.rows.keys()).sort((a, b) => sign * compare(this.rows[a][index], this.rows[b][index]) || a - b);
  }

  _drawAll() {
    for (const row of this._shown.values()) this._spare.push(row);
    this._shown.clear();
    this.body.replaceChildren();
    this.body.style.height = `${this.rows.length * ROW}px`;
    this.element.setAttribute("aria-rowcount", String(this.rows.length + 1));
    this._setWidths();
    this._draw();
  }

  _later() {
    this._frame ??= requestAnimationFrame(() => {
      this._frame = null;
      this._draw();
    });
  }

  _draw() {
    const top = Math.floor(this.element.scrollTop / ROW);
    const first = Math.max(0, top - BEYOND);
    const last = Math.min(this.rows.length, top + Math.ceil(this.element.clientHeight / ROW) + BEYOND);
    for (const [place, row] of this._shown) {
      if (place < first || place >= last) {
        this._shown.delete(place);
        this._spare.push(row);
        row.remove();
      }
    }
    const added = document.createDocumentFragment();
    for (let place = first; place < last; place++) {
      if (!this._shown.has(place)) {
        const row = this._filled(place);
        this._shown.set(place, row);
        added.append(row);
      }
    }
    this.body.append(added);
    this._drawSelection();
    if (last > this.rows.length - NEAR_END && this.rows.length > 0) this.onNearEnd();
  }

  /** Return a row's elements. They are used again: what no row differs in is set once. */
  _filled(place) {
    const row = this._spare.pop() ?? h("div", { class: "grid-row", role: "row" }, h("div", { class: "grid-cell grid-number", role: "rowheader", "aria-colindex": 1 }, ""));
    while (row.children.length > this.columns.length + 1) row.lastChild.remove();
    while (row.children.length < this.columns.length + 1) {
      row.append(h("div", { role: "gridcell", "aria-colindex": row.children.length + 1 }, ""));
    }
    row.setAttribute("aria-rowindex", String(place + 2));
    row.style.transform = `translateY(${place * ROW}px)`;
    const values = this.row(place);
    let cell = row.firstChild;
    cell.firstChild.data = count(place + 1);
    for (const value of values) {
      cell = cell.nextSibling;
      const kind = `grid-cell ${typeOf(value)}`;
      if (cell.className !== kind) cell.className = kind;
      cell.firstChild.data = shown(value);
    }
    row.classList.remove("chosen");
    return row;
  }

  _drawSelection() {
    const { range } = this.selection;
    for (const [place, row] of this._shown) {
      const isIn = range !== null && place >= range.top && place <= range.bottom;
      if (!isIn && !row.classList.contains("chosen")) continue;
      row.classList.toggle("chosen", isIn);
      for (let index = 0; index < this.columns.length; index++) {
        const cell = row.children[index + 1];
        const isChosen = isIn && index >= range.left && index <= range.right;
        cell.classList.toggle("selected", isChosen);
        cell.classList.toggle("active", isChosen && place === this.selection.active.place && index === this.selection.active.index);
        if (isChosen) cell.setAttribute("aria-selected", "true");
        else cell.removeAttribute("aria-selected");
      }
    }
    this._tellActive();
  }

  /** Name the active cell to a screen reader, by the one id that the grid gives. */
  _tellActive() {
    this._named?.removeAttribute("id");
    const { active } = this.selection;
    this._named = active && this._shown.get(active.place)?.children[active.index + 1];
    if (!this._named) return this.element.removeAttribute("aria-activedescendant");
    this._named.id = `${this.id}-active`;
    this.element.setAttribute("aria-activedescendant", this._named.id);
  }

  _at(event) {
    const box = this.body.getBoundingClientRect();
    const place = Math.min(this.rows.length - 1, Math.max(0, Math.floor((event.clientY - box.top) / ROW)));
    let x = event.clientX - box.left - widthOfNumbers(this.rows);
    const isNumber = event.target.closest?.(".grid-number") !== null;
    let index = 0;
    while (index < this.widths.length - 1 && x >= this.widths[index]) x -= this.widths[index++];
    return { place, index, isNumber };
  }

  _down(event) {
    if (event.button !== 0 || this.rows.length === 0) return;
    const { place, index, isNumber } = this._at(event);
    if (isNumber) {
      this.selection.block({ place, index: this.columns.length - 1 }, { place, index: 0 });
    } else {
      this.selection.choose({ place, index }, { extends: event.shiftKey });
    }
    this._drawSelection();
    this.onActive();
  }

  _drag(event) {
    const { active } = this.selection;
    if (active === null) return;
    const { place, index } = this._at(event);
    if (place === active.place && index === active.index) return;
    this.selection.block(this.selection.anchor ?? active, { place, index });
    this._drawSelection();
  }

  _open() {
    const { active } = this.selection;
    if (active !== null) this.onOpen(active.place, active.index);
  }

  _key(event) {
    if (event.target !== this.element || this.rows.length === 0) return;
    const mod = event.ctrlKey || event.metaKey;
    if (mod && event.key === "a") {
      this.selection.block({ place: 0, index: 0 }, { place: this.rows.length - 1, index: this.columns.length - 1 });
      event.preventDefault();
      return this._drawSelection();
    }
    if (event.key === "Enter" && !mod) {
      event.preventDefault();
      return this._open();
    }
    if (event.key === "s" && !mod && this.selection.active !== null) return this.sort(this.selection.active.index);
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 2);
    const to = this.selection.target(event.key, { toEnd: mod, rows: this.rows.length, columns: this.columns.length, page });
    if (to === null) return;
    event.preventDefault();
    this.selection.choose(to, { extends: event.shiftKey });
    this._reveal();
    this._draw();
    this.onActive();
  }

  _reveal() {
    const { element, selection: { active: { place, index } } } = this;
    const [top, height] = [place * ROW, element.clientHeight - ROW * 1.3];
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + ROW > element.scrollTop + height) element.scrollTop = top + ROW - height;
    const left = this.widths.slice(0, index).reduce((sum, width) => sum + width, 0);
    const first = widthOfNumbers(this.rows);
    if (left < element.scrollLeft) element.scrollLeft = left;
    else if (left + this.widths[index] > element.scrollLeft + element.clientWidth - first) {
      element.scrollLeft = left + this.widths[index] - element.clientWidth + first;
    }
  }
}
