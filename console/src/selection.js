// The selection of a grid: the active cell, and the corner that the selected block begins at.

export class Selection {
  constructor() {
    this.clear();
  }

  clear() {
    this.active = this.anchor = null;
  }

  /** Return the block of cells that is selected, or null. */
  get range() {
    if (this.active === null) return null;
    const [a, b] = [this.active, this.anchor ?? this.active];
    return {
      top: Math.min(a.place, b.place), bottom: Math.max(a.place, b.place),
      left: Math.min(a.index, b.index), right: Math.max(a.index, b.index),
    };
  }

  /** Make a cell the active one; `extends` keeps the corner, so that the block grows to the cell. */
  choose(cell, { extends: isExtended = false } = {}) {
    this.anchor = isExtended ? (this.anchor ?? this.active) : null;
    this.active = cell;
  }

  /** Select from one cell to another, which becomes the active one. */
  block(anchor, active) {
    Object.assign(this, { anchor, active });
  }

  /** Return the cell that a key leads to, of so many rows and columns; null if it leads nowhere. */
  target(key, { toEnd, rows, columns, page }) {
    if (this.active === null && key.startsWith("Arrow")) return { place: 0, index: 0 };
    const { place, index } = this.active ?? { place: 0, index: 0 };
    const [lastPlace, lastIndex] = [rows - 1, columns - 1];
    const moved = {
      ArrowUp: [toEnd ? 0 : place - 1, index], ArrowDown: [toEnd ? lastPlace : place + 1, index],
      ArrowLeft: [place, toEnd ? 0 : index - 1], ArrowRight: [place, toEnd ? lastIndex : index + 1],
      PageUp: [place - page, index], PageDown: [place + page, index],
      Home: [toEnd ? 0 : place, 0], End: [toEnd ? lastPlace : place, lastIndex],
    }[key];
    if (moved === undefined) return null;
    return { place: Math.min(lastPlace, Math.max(0, moved[0])), index: Math.min(lastIndex, Math.max(0, moved[1])) };
  }
}
