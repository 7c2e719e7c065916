// A result as a chart: lines, bars or points, drawn by uPlot, saved as PNG or SVG.

import uPlot from "uplot";
import { button, fill, h, save } from "./dom.js";
import { chartAsSvg } from "./picture.js";
import { count, number, shown } from "./values.js";

const SERIES_MAX = 4;
const POINTS_MAX = 20_000;
const FORMS = ["Line", "Bar", "Scatter"];

export class Chart {
  constructor(result) {
    this.result = result;
    const { columns, rows } = result;
    this.numeric = columns.map((_name, index) => rows.some((row) => row[index] !== null) && rows.every((row) => row[index] === null || !Number.isNaN(Number(number(row[index])))));
    const selected = this._guess();
    const options = (chosen) => columns.map((name, index) => h("option", { value: index, selected: index === chosen }, name));
    this.form = h("select", { "aria-label": "Form", onchange: () => this.draw() }, FORMS.map((name) => h("option", { selected: name === selected.form }, name)));
    this.x = h("select", { "aria-label": "Across", onchange: () => this.draw() }, options(selected.x));
    this.ys = h("span", { class: "chart-series", role: "group", "aria-label": "Upwards" }, columns.map((name, index) => this.numeric[index] && h("label", { class: "check" },
      h("input", { type: "checkbox", value: index, checked: selected.ys.includes(index), onchange: () => this.draw() }), name)));
    this.place = h("div", { class: "chart-place" });
    this.note = h("span", { class: "notice" });
    this.element = h("div", { class: "chart" },
      h("div", { class: "result-tools" }, this.form, h("label", { class: "check" }, "across ", this.x), this.ys, h("span", { class: "rest" }), this.note,
        button("PNG", () => this._png(), { class: "quiet", title: "Save as PNG" }), button("SVG", () => this._svg(), { class: "quiet", title: "Save as SVG" })),
      this.place);
    new ResizeObserver(() => this.plot && this.place.clientWidth > 0 && this.plot.setSize(this._size())).observe(this.place);
  }

  draw() {
    this.plot?.destroy();
    this.plot = null;
    const x = Number(this.x.value);
    const ys = [...this.ys.querySelectorAll("input:checked")].map((one) => Number(one.value)).slice(0, SERIES_MAX);
    const rows = this.result.rows.slice(0, POINTS_MAX);
    fill(this.note, this.result.rows.length > POINTS_MAX ? `the first ${count(POINTS_MAX)} rows` : "");
    if (ys.length === 0 || rows.length === 0) {
      this.place.removeAttribute("role");
      this.place.removeAttribute("aria-label");
      fill(this.place, h("p", { class: "nothing" }, "A chart needs rows with a column of numbers."));
      return;
    }
    const isScale = this.numeric[x] && this.form.value !== "Bar";
    const points = rows.map((row, place) => [isScale ? Number(number(row[x])) : place, ...ys.map((y) => (row[y] === null ? null : Number(number(row[y]))))]);
    if (isScale) points.sort((a, b) => a[0] - b[0]);
    this.data = points[0].map((_one, column) => points.map((point) => point[column]));
    this.place.setAttribute("role", "img");
    this.place.setAttribute("aria-label", this._heard(x, ys, rows.length));
    fill(this.place);
    this.labels = isScale ? null : rows.map((row) => shown(row[x]).slice(0, 22));
    this.plot = new uPlot(this._options(x, ys), this.data, this.place);
  }

  /** Return what the chart says to a screen reader: what is drawn, from where to where. */
  _heard(x, ys, rows) {
    const { columns } = this.result;
    const ranges = ys.map((y, place) => {
      const known = this.data[place + 1].filter((value) => value !== null);
      const [low, high] = known.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
      return `${columns[y]} from ${count(low)} to ${count(high)}`;
    });
    return `${this.form.value} chart by ${columns[x]}, ${count(rows, "row")}: ${ranges.join(", ")}`;
  }

  _guess() {
    const numbers = this.numeric.flatMap((isNumber, index) => (isNumber ? [index] : []));
    const label = this.numeric.findIndex((isNumber) => !isNumber);
    const x = label >= 0 ? label : (numbers[0] ?? 0);
    const ys = numbers.filter((index) => index !== x).slice(0, 1);
    return { x, ys: ys.length ? ys : numbers.slice(0, 1), form: label >= 0 && this.result.rows.length <= 60 ? "Bar" : "Line" };
  }

  _size() {
    return { width: Math.max(200, this.place.clientWidth - 24), height: Math.max(160, this.place.clientHeight - 52) };
  }

  _options(x, ys) {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 }, font: "11px system-ui, sans-serif" };
    const form = this.form.value;
    const series = ys.map((y, place) => ({
      label: this.result.columns[y],
      stroke: color(`--series-${place + 1}`),
      width: form === "Scatter" ? 0 : 1.75,
      fill: form === "Bar" ? `${color(`--series-${place + 1}`)}99` : undefined,
      paths: form === "Bar" ? uPlot.paths.bars({ size: [0.7, 48] }) : form === "Scatter" ? () => null : undefined,
      points: { show: form === "Scatter" || (form === "Line" && this.data[0].length < 80), size: 5, fill: color(`--series-${place + 1}`) },
    }));
    const labelled = this.labels && { values: (_plot, places) => places.map((place) => (Number.isInteger(place) ? (this.labels[place] ?? "") : "")), incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000], space: 90 };
    const range = this.labels ? { range: (_plot, low, high) => [low - 0.6, high + 0.6] } : {};
    return {
      ...this._size(),
      scales: { x: { time: false, ...range }, y: form === "Bar" ? { range: (_plot, low, high) => uPlot.rangeNum(Math.min(0, low), Math.max(0, high), 0.1, true) } : {} },
      axes: [{ ...axis, ...labelled }, { ...axis, size: 62 }],
      series: [{ label: this.result.columns[x], value: this.labels ? (_plot, place) => this.labels[place] ?? "" : undefined }, ...series],
      cursor: { points: { size: 7 } },
    };
  }

  _png() {
    const { canvas } = this.plot?.ctx ?? {};
    canvas?.toBlob((blob) => save("chart.png", [blob], "image/png"));
  }

  _svg() {
    if (this.plot) save("chart.svg", [chartAsSvg(this.plot, this.form.value)], "image/svg+xml");
  }
}
