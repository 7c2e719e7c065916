import { h } from "./dom.js";
export class Chart { constructor() { this.element = h("div", {}); } draw() {} }
