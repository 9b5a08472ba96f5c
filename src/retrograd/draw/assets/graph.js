"use strict";
// Draws GRAPH for the groups that are unfolded. `arrange` does what scene.py's does: keep them alike.
const opened = new Set(GRAPH.opened);
const stage = document.getElementById("stage");
const { label: LABEL, padding: PADDING, header: HEADER, line: HEADER_LINE, foot: FOOT } = GRAPH.gap;
const n = v => String(+v.toFixed(1));
let zoom = 1;

function columns(g, inner) {
  const found = [], axis = k => Math.round(g.parts[k].x * 10) / 10;
  for (const k of [...inner.keys()].sort((a, b) => axis(a) - axis(b) || a - b)) {
    const p = g.parts[k], placed = inner.get(k), half = Math.min(p.l, p.r), last = found[found.length - 1];
    const left = Math.max(placed.axis - p.l, 0), right = Math.max(placed.width - placed.axis - p.r, 0);
    if (last && axis(k) - last[0] < Math.min(half, last[4]))
      found[found.length - 1] =
        [last[0], axis(k), Math.max(last[2], left), Math.max(last[3], right), Math.min(last[4], half)];
    else found.push([axis(k), axis(k), left, right, half]);
  }
  return found;
}

function arrange(number) {
  const g = GRAPH.groups[number], top = number === GRAPH.top, inner = new Map();
  const heights = g.heights.slice();
  g.parts.forEach((p, k) => {
    if (p.group === undefined || !opened.has(p.group)) return;
    const placed = arrange(p.group);
    inner.set(k, placed);
    heights[p.k] = Math.max(heights[p.k], placed.height);
  });
  const wider = columns(g, inner);
  let lefts = 0, both = 0;
  for (const [, , left, right] of wider) { lefts += left; both += left + right; }
  const extra = top ? 0 : Math.max(g.head - (g.right - g.left + 2 * PADDING), 0);
  const origin = PADDING + extra / 2 - g.left + lefts;
  const move = x => {
    const at = Math.round(x * 10) / 10;
    let moved = x + origin;
    for (const [first, last, left, right] of wider) moved += last < at ? right : first > at ? -left : 0;
    return moved;
  };
  const tops = [];
  let y = top ? PADDING : HEADER;
  for (const h of heights) { tops.push(y); y += h + g.gap; }
  const bottom = y - g.gap + (top ? PADDING : FOOT);
  const places = g.parts.map((p, k) => {
    const h = inner.has(k) ? inner.get(k).height : p.h;
    return [move(p.x), tops[p.k] + (heights[p.k] - h) / 2];
  });
  const touch = (k, port, toward) => {
    const axis = places[k][0];
    if (inner.has(k) && port !== null) return axis - inner.get(k).axis + inner.get(k).places[port][0];
    return Math.min(Math.max(toward, axis - g.parts[k].hold), axis + g.parts[k].hold);
  };
  const paths = [], texts = [];
  for (const [a, b, pieces, text, , , startPort, stopPort] of g.wires) {
    const middle = [];
    for (const [rank, x] of pieces) {
      middle.push([move(x), tops[rank]]);
      if (heights[rank] > LABEL || (text && middle.length === 1)) middle.push([move(x), tops[rank] + heights[rank]]);
    }
    const pa = g.parts[a], pb = g.parts[b];
    const x0 = touch(a, startPort, middle.length ? middle[0][0] : places[b][0]);
    const x1 = touch(b, stopPort, middle.length ? middle[middle.length - 1][0] : x0);
    const low = tops[pa.k] + heights[pa.k], high = tops[pb.k];
    let y0 = places[a][1] + (inner.has(a) ? inner.get(a).height : pa.h - pa.inset);
    let y1 = places[b][1] + (inner.has(b) ? 0 : pb.inset);
    if (pa.port) y0 = top ? 0 : HEADER_LINE;
    if (pb.port) y1 = bottom;
    const points = [[x0, y0]];
    if (low > y0 + 0.5) points.push([x0, low]);
    points.push(...middle);
    if (high < y1 - 0.5) points.push([x1, high]);
    points.push([x1, y1]);
    paths.push(points);
    texts.push(text && middle.length ? [middle[0][0] + 6, middle[0][1] + 12] : null);
  }
  const width = g.right - g.left + 2 * PADDING + extra + both;
  const axis = g.main === null ? width / 2 : places[g.main][0];
  return { width, height: bottom, axis, places, paths, texts, inner };
}

function curve(points) {
  const slope = (a, b) => b[1] > a[1] ? (b[0] - a[0]) / (b[1] - a[1]) : 0;
  const slopes = points.map((p, i) => {
    if (!i || i === points.length - 1) return 0;
    const before = slope(points[i - 1], p), after = slope(p, points[i + 1]);
    return before * after > 0 ? 2 * before * after / (before + after) : 0;
  });
  let text = `M${n(points[0][0])} ${n(points[0][1])}`;
  for (let i = 1; i < points.length; i++) {
    const [xa, ya] = points[i - 1], [xb, yb] = points[i];
    if (Math.abs(xa - xb) < 0.05) { text += `V${n(yb)}`; continue; }
    const third = (yb - ya) * (!slopes[i - 1] && !slopes[i] ? 0.5 : 1 / 3);
    text += "C" + [xa + slopes[i - 1] * third, ya + third, xb - slopes[i] * third, yb - third, xb, yb].map(n).join(" ");
  }
  return text;
}

const quoted = text => text.replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`);

function draw(number, placed, x, y, out) {
  const g = GRAPH.groups[number];
  out.push(`<g transform="translate(${n(x)} ${n(y)})">`);
  g.wires.forEach(([, , , , gradient, arrow], k) => out.push(
    `<path class="rg-e${gradient ? "" : " rg-z"}"${arrow ? ' marker-end="url(#rg-a)"' : ""} d="${curve(placed.paths[k])}"/>`));
  g.parts.forEach((p, k) => {
    const [axis, top] = placed.places[k];
    const button = p.group === undefined ? "" : ` class="fold" data-group="${p.group}" tabindex="0" role="button" ` +
      `aria-expanded="${placed.inner.has(k)}" aria-label="${quoted(GRAPH.groups[p.group].path)}"`;
    if (placed.inner.has(k)) {
      const inner = placed.inner.get(k), left = axis - inner.axis;
      out.push(`<g class="rg-frame" transform="translate(${n(left)} ${n(top)})"><rect width="${n(inner.width)}" ` +
        `height="${n(inner.height)}" rx="10"/><g${button}><rect width="${n(inner.width)}" height="28" rx="10" ` +
        `fill="transparent" stroke="none"/>${GRAPH.groups[p.group].name}</g></g>`);
      draw(p.group, inner, left, top, out);
    } else if (p.svg) {
      const item = p.item === undefined ? "" : ` data-item="${p.item}"`;
      out.push(`<g${item} transform="translate(${n(axis)} ${n(top)})"><g${button}>${p.svg}</g></g>`);
    }
  });
  g.wires.forEach((w, k) => {
    const at = placed.texts[k];
    if (at) out.push(`<text class="rg-l" x="${n(at[0])}" y="${n(at[1])}">${w[3]}</text>`);
  });
  out.push("</g>");
}

function show() {
  const placed = arrange(GRAPH.top), out = [];
  draw(GRAPH.top, placed, 0, 0, out);
  stage.innerHTML = `<svg xmlns="http://www.w3.org/2000/svg" class="rg" viewBox="0 0 ${n(placed.width)} ` +
    `${n(placed.height)}" width="${n(placed.width * zoom)}" height="${n(placed.height * zoom)}">${GRAPH.defs}${out.join("")}</svg>`;
  mark();
}

// --- finding: what is shown is marked at once, Enter unfolds the groups in which there is more

const plain = svg => svg.replace(/<title>[^]*?<\/title>/g, " ").replace(/<[^>]*>/g, "").toLowerCase();
function mark() {
  const wanted = document.getElementById("find").value.trim().toLowerCase();
  stage.classList.toggle("finding", Boolean(wanted));
  let first = null;
  for (const card of stage.querySelectorAll("[data-item]")) {
    const own = [...card.querySelectorAll("text")].filter(t => t.closest("[data-item]") === card);
    const found = Boolean(wanted) && own.some(t => t.textContent.toLowerCase().includes(wanted));
    const within = found || (Boolean(wanted) && card.querySelector("[data-item]") && card.textContent.toLowerCase().includes(wanted));
    card.classList.toggle("found", Boolean(within));
    if (found && !first) first = card;
  }
  return first;
}
function unfoldFound() {
  const wanted = document.getElementById("find").value.trim().toLowerCase();
  if (!wanted) return;
  const visit = (number, above) => {
    for (const p of GRAPH.groups[number].parts) {
      if (p.group !== undefined) visit(p.group, [...above, p.group]);
      else if (plain(p.svg).includes(wanted)) above.forEach(group => opened.add(group));
    }
  };
  visit(GRAPH.top, []);
  show();
  mark()?.scrollIntoView({ block: "center", inline: "center" });
}

function toggle(target) {
  const group = Number(target.dataset.group), before = target.getBoundingClientRect();
  if (!opened.delete(group)) opened.add(group);
  show();
  const again = stage.querySelector(`[data-group="${group}"]`), after = again.getBoundingClientRect();
  window.scrollBy(0, after.top - before.top);  // what was clicked stays where it was
  again.focus({ preventScroll: true });
}

stage.addEventListener("click", event => {
  const target = event.target.closest("[data-group]");
  if (target) toggle(target);
});
stage.addEventListener("keydown", event => {
  const target = event.target.closest("[data-group]");
  if (target && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); toggle(target); }
});
function all(open) {
  opened.clear();
  opened.add(GRAPH.top);
  if (open) for (const number of Object.keys(GRAPH.groups)) opened.add(Number(number));
  show();
}
function scale(to) { zoom = Math.min(Math.max(to, 0.1), 4); show(); }
document.getElementById("find").addEventListener("input", mark);
document.getElementById("find").addEventListener("keydown", event => { if (event.key === "Enter") unfoldFound(); });
const on = (id, action) => document.getElementById(id)?.addEventListener("click", action);
on("unfold", () => all(true));
on("fold", () => all(false));
on("larger", () => scale(zoom * 1.25));
on("smaller", () => scale(zoom / 1.25));
on("fit", () => scale(Math.min(1, (stage.clientWidth - 40) / arrange(GRAPH.top).width)));
show();
