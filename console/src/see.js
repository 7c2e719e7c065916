import { h } from "./dom.js";

export class See {
  constructor() { this.element = h("div", {}); }
  schemaChanged() {}
  shown() {}
}
