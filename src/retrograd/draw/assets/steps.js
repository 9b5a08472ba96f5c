"use strict";
const { steps, items, start, count } = WALK;
const $ = id => document.getElementById(id);
const quoted = text => String(text).replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`);
const icon = d => `<svg width="14" height="14" aria-hidden="true"><path d="${d}"/></svg>`;
let at = 0, timer = null;

function bytes(n) {
  for (const [unit, least] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 1024]])
    if (n >= least) return `${+(n / least).toPrecision(3)} ${unit}`;
  return `${n} B`;
}

function gradient(g) {
  const head = `<div class="small">${quoted(g.shape)} ${quoted(g.dtype)}</div>`;
  if (g.values) {
    const largest = Math.max(...g.values.flat().map(v => Math.abs(parseFloat(v))).filter(Number.isFinite), 1e-300);
    const cells = g.values.map(row => row.map(v => {
      const x = parseFloat(v), part = Number.isFinite(x) ? Math.abs(x) / largest : 1;
      const colour = Number.isFinite(x) ? (x < 0 ? "var(--write-text)" : "var(--bar)") : "var(--bad)";
      const share = Math.round(6 + 28 * part);
      return `<span style="background:color-mix(in srgb, ${colour} ${x ? share : 4}%, transparent)">${quoted(v)}</span>`;
    }).join("")).join("");
    return `${head}<div class="values" style="grid-template-columns:repeat(${Math.max(g.values[0]?.length || 1, 1)},auto)">${cells}</div>`;
  }
  const odd = g.odd ? `<span class="warn">${g.odd} not finite</span>` : "";
  if (!g.stats) return `${head}<div class="stats">${odd}</div>`;
  const most = Math.max(...g.bars, 1), wide = 340 / g.bars.length;
  const bars = g.bars.map((n, i) =>
    `<rect x="${(i * wide).toFixed(1)}" y="${(40 - 38 * n / most).toFixed(1)}" width="${(wide - 1).toFixed(1)}" height="${(38 * n / most).toFixed(1)}"/>`).join("");
  const [low, high, mean, spread] = g.stats;
  return `${head}<svg class="bars" viewBox="0 0 340 54" role="img" aria-label="Histogram from ${low} to ${high}">${bars}` +
    `<text class="tick" x="0" y="52">${quoted(g.ends[0])}</text><text class="tick" x="340" y="52" text-anchor="end">${quoted(g.ends[1])}</text></svg>` +
    `<div class="stats"><span>mean <b>${mean}</b></span><span>std <b>${spread}</b></span><span>norm <b>${g.norm}</b></span>` +
    `<span>zeros <b>${(100 * g.zeros).toFixed(g.zeros && g.zeros < 0.1 ? 1 : 0)} %</b></span>${odd}</div>`;
}

const name = i => {
  const [title, kind, , module] = items[i];
  return kind === "operation" ? quoted(title) + (module ? ` <span class="small">${quoted(module)}</span>` : "") : quoted(title);
};

function describe(step) {
  const [title, kind, shape, module, where] = items[step.item];
  const split = title.indexOf("Backward");
  const shown = split > 0 ? `${quoted(title.slice(0, split))}<span>${quoted(title.slice(split))}</span>` : quoted(title);
  const out = [`<h3>${shown}</h3><div class="where">${quoted([module, where].filter(Boolean).join("  ·  "))}</div>`];
  if (kind !== "operation") {
    out.push(`<p class="words">A leaf ${quoted(shape)}: the walk ends here, and the sum that arrived is added to its <code>.grad</code>.</p>`);
    out.push(`<h2>Added to .grad</h2><div class="box">${gradient(step.g[0])}</div>`);
    return out.join("");
  }
  out.push(`<h2>Incoming gradient <i>g</i></h2><div class="box">${step.g.map(gradient).join("<br>")}</div>`);
  if (step.saved.length) {
    const kept = step.saved.map(([n, text, of]) => `${quoted(n)} ${quoted(text)}${of ? ` (${quoted(of)})` : ""}`);
    out.push(`<p class="words">Uses what the forward saved: ${kept.join(", ")}.</p>`);
  }
  out.push("<h2>Outgoing gradients</h2>");
  for (const o of step.out) {
    const formula = o.symbols ? `<div class="formula">∂L/∂${quoted(o.name)} = ${quoted(o.symbols)}</div>` : "";
    const words = o.words ? `<div class="words">The gradient of ${quoted(o.name)} is ${quoted(o.words).replace(/`([^`]+)`/g, "<code>$1</code>")}.</div>` : "";
    const source = o.source ? `<details><summary>in the row's source</summary><pre>${quoted(o.source)}</pre></details>` : "";
    const summed = o.summed ? ` summed to ${quoted(o.summed)},` : "";
    const how = o.how === "first" ? '<span class="tag">first to arrive</span>' : '<span class="tag added">added to what waits</span>';
    out.push(`<div class="box">${formula}${words}${gradient(o.g)}<div class="to">→${summed} to <b>${name(o.to)}</b> ${how}</div>${source}</div>`);
  }
  return out.join("");
}

const KINDS = [["saved by the forward", "box-line"], ["gradients that wait", "out-line"], ["gradients of leaves", "param-line"]];
function memory() {
  const all = [start, ...steps.map(s => s.memory)], most = Math.max(...all.map(m => m[0] + m[1] + m[2]), 1);
  const w = 226, h = 90, x = i => (i / Math.max(all.length - 1, 1)) * w;
  const areas = [];
  for (let k = 0; k < 3; k++) {
    const level = (m, n) => m.slice(0, n).reduce((a, b) => a + b, 0);
    const upper = all.map((m, i) => `${x(i).toFixed(1)},${(h - h * level(m, k + 1) / most).toFixed(1)}`);
    const lower = all.map((m, i) => `${x(i).toFixed(1)},${(h - h * level(m, k) / most).toFixed(1)}`).reverse();
    areas.push(`<polygon points="${upper.concat(lower).join(" ")}" fill="var(--${KINDS[k][1]})" fill-opacity=".75"/>`);
  }
  const now = all[at], total = now[0] + now[1] + now[2];
  const legend = KINDS.map(([text, colour], k) => `<i style="background:var(--${colour})"></i><span>${text}</span><b>${bytes(now[k])}</b>`).join("");
  return `<svg width="${w}" height="${h + 2}" viewBox="0 0 ${w} ${h + 2}" role="img" aria-label="Memory over the steps">${areas.join("")}` +
    `<line x1="${x(at).toFixed(1)}" x2="${x(at).toFixed(1)}" y1="0" y2="${h + 2}" stroke="var(--text)" stroke-width="1.5"/></svg>` +
    `<div class="legend">${legend}<i></i><span>in all</span><b>${bytes(total)}</b></div>`;
}

function show(to) {
  at = Math.min(Math.max(to, 0), steps.length);
  const step = at ? steps[at - 1] : null;
  $("seek").value = at;
  $("count").textContent = `${at} of ${count}`;
  const shown = count > steps.length && at === steps.length ? `<p class="words">The walk goes on: ${count} steps in all (max_steps).</p>` : "";
  $("step").innerHTML = step ? describe(step) + shown :
    `<h3>Before the first step</h3><p class="words">The gradient of the output waits for the node that made it. Then, again and again, the youngest node ` +
    `that a gradient waits for runs: it has all that will ever be added, as whatever used its result is younger and has run.</p>`;
  $("step").scrollTop = 0;
  $("memory").innerHTML = memory();
  const leaves = steps.slice(0, at).filter(s => items[s.item][1] !== "operation");
  $("leaves").innerHTML = leaves.map(s => `<div class="leaf${s === step ? " now" : ""}"><div class="name">${quoted(items[s.item][0])}</div>${gradient(s.g[0])}</div>`)
    .reverse().join("") || '<p class="words">None yet.</p>';
  const done = new Set(steps.slice(0, at).map(s => s.item)), waiting = new Set();
  for (const s of steps.slice(0, at)) for (const o of s.out) if (!done.has(o.to)) waiting.add(o.to);
  if (!at && steps.length) waiting.add(steps[0].item);
  for (const g of document.querySelectorAll("#graph [data-item]")) {
    const i = Number(g.dataset.item), now = step && step.item === i;
    g.classList.toggle("now", Boolean(now));
    g.classList.toggle("done", done.has(i) && !now && items[i][1] === "operation");
    g.classList.toggle("kept", done.has(i) && !now && items[i][1] !== "operation");
    g.classList.toggle("waiting", waiting.has(i));
    if (now) centre(g);
  }
  if (at === steps.length) stop();
}

function centre(g) {
  const frame = $("graph"), box = g.getBoundingClientRect(), own = frame.getBoundingClientRect();
  if (frame.scrollHeight > frame.clientHeight)
    frame.scrollTop += box.top + box.height / 2 - own.top - own.height / 2;
  if (frame.scrollWidth > frame.clientWidth)
    frame.scrollLeft += box.left + box.width / 2 - own.left - own.width / 2;
}

function stop() {
  clearInterval(timer);
  timer = null;
  $("play").innerHTML = icon("M3.5 2v10l7-5z") + " Play";
  $("play").setAttribute("aria-label", "Play");
}
function play() {
  if (timer) return stop();
  if (at === steps.length) show(0);
  timer = setInterval(() => show(at + 1), Number($("speed").value));
  $("play").innerHTML = icon("M3 2h3v10H3zM8 2h3v10H8z") + " Pause";
  $("play").setAttribute("aria-label", "Pause");
}
const by = move => () => { stop(); show(move()); };
const actions = {
  first: by(() => 0), back: by(() => at - 1), next: by(() => at + 1), last: by(() => steps.length), play,
};
for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", action);
$("seek").max = steps.length;
$("seek").addEventListener("input", by(() => Number($("seek").value)));
$("speed").addEventListener("change", () => { if (timer) { stop(); play(); } });
const keys = { ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last", " ": "play" };
document.addEventListener("keydown", event => {
  const action = keys[event.key];
  const on = selector => event.target instanceof Element && event.target.matches(selector);
  if (!action || on("select, summary") || (event.key === " " && on("button"))) return;
  event.preventDefault();
  actions[action]();
});
show(0);
