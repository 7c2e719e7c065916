import { h } from "./dom.js";

export class Watch {
  constructor() { this.element = h("div", {}); }
  schemaChanged() {}
  shown() {}
}
