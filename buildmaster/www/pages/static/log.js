// The log view: shows a window of a log of any length, follows a running one, searches, links lines.
import { draw, strip } from "./ansi.js";

const CHUNK = 500; // lines of one request
const KEPT_CHUNKS = 80;
const SEARCH_CHUNK = 5000;
const OVERSCAN = 20; // rows drawn beyond the window
const MAX_HEIGHT = 15e6; // pixels; browsers draw nothing beyond about 17 million
const LONG_LINE = 5000; // characters shown of one line
const FOLD_AT_LEAST = 4; // header lines
const CHANNELS = { o: "stdout", e: "stderr", h: "header" };

const host = document.getElementById("log");
if (host) new LogView(host);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

function LogView(host) {
  const root = host.dataset.root;
  const api = `${root}api/v2/logs/${host.dataset.logid}`;
  const hasChannels = host.dataset.type === "s";
  const chunks = new Map(); // chunk number → lines, the last used last
  const wanted = new Map(); // chunk number → promise
  let total = Number(host.dataset.lines);
  let complete = host.dataset.complete === "1";
  let folds = []; // {start, end, open}, in order
  let selected = null; // [first, last] line, from 0
  let needle = "";
  let hit = null; // line of the search's last hit
  let searching = 0;
  let following = !complete && !location.hash;
  let rowHeight = 18;
  let drawn = false;
  let byScript = false; // the next scroll event is ours

  // -- the page ------------------------------------------------------------------------------------------------------

  const field = element("input", { type: "search", placeholder: "Search", "aria-label": "Search in the log" });
  const found = element("output", { "aria-live": "polite" });
  const follow = element("input", { type: "checkbox" });
  const line = element("input", { inputmode: "numeric", size: "8", placeholder: "Line", "aria-label": "Go to line" });
  const followLabel = element("label", {}, follow, " Follow");
  const bar = element(
    "form",
    { class: "log-bar", role: "search", onsubmit: (event) => { event.preventDefault(); search(event.submitter && event.submitter.value === "up" ? -1 : 1); } },
    field,
    element("button", { value: "down", title: "Next (n)" }, "Next"),
    element("button", { value: "up", title: "Previous (N)" }, "Previous"),
    found,
    line,
    followLabel,
    element("button", { type: "button", onclick: () => goTo(0) }, "Top"),
    element("button", { type: "button", onclick: () => goTo(total - 1) }, "End"),
    element("button", { type: "button", onclick: () => unfoldAll() }, "Unfold all"),
  );
  const content = element("div", { class: "log-rows" });
  const spacer = element("div", { class: "log-spacer" }, content);
  const scroller = element("div", { class: "log-scroller", tabindex: "0", role: "region", "aria-label": "Log lines" }, spacer);
  host.replaceChildren(bar, scroller);
  for (const nav of document.querySelectorAll(".without-script")) nav.remove();
  followLabel.hidden = complete;
  follow.checked = following;
  follow.addEventListener("change", () => { following = follow.checked; if (following) toEnd(); });
  line.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); const n = parseInt(line.value, 10); if (n > 0) { select(n - 1, n - 1); goTo(n - 1); } }
  });
  measure();

  function measure() {
    const probe = element("div", { class: "row stdout" }, "x");
    content.append(probe);
    rowHeight = probe.getBoundingClientRect().height || 18;
    probe.remove();
  }

  // -- rows and lines ------------------------------------------------------------------------------------------------
  // A folded range is one row; everything else is a row a line.

  function closed() { return folds.filter((fold) => !fold.open); }
  function rows() { return total - closed().reduce((sum, fold) => sum + fold.end - fold.start - 1, 0); }
  function lineOf(row) {
    let at = row;
    for (const fold of closed()) {
      if (at <= fold.start) break;
      at += fold.end - fold.start - 1;
    }
    return at;
  }
  function rowOf(number) {
    let away = 0;
    for (const fold of closed()) {
      if (number < fold.start) break;
      if (number < fold.end) return fold.start - away;
      away += fold.end - fold.start - 1;
    }
    return number - away;
  }
  function foldAt(number) { return closed().find((fold) => fold.start === number); }

  function noteHeaders(first, lines) {
    if (!hasChannels) return;
    let start = -1;
    for (let n = 0; n <= lines.length; n++) {
      const isHeader = n < lines.length && lines[n][0] === "h";
      if (isHeader && start < 0) start = n;
      if (!isHeader && start >= 0) {
        addFold(first + start + 1, first + n); // the command itself stays
        start = -1;
      }
    }
  }
  function addFold(start, end) {
    const next = folds.find((fold) => fold.start <= end && fold.end >= start - 1);
    if (next) { next.start = Math.min(next.start, start); next.end = Math.max(next.end, end); return; }
    if (end - start < FOLD_AT_LEAST) return;
    const row = topRow();
    const top = lineOf(row);
    const open = selected !== null && selected[0] < end && selected[1] >= start;
    folds.push({ start, end, open });
    folds.sort((a, b) => a.start - b.start);
    if (start < top && !following) scrollToRow(rowOf(top), row % 1);
  }
  function unfoldAll() {
    const top = lineOf(topRow());
    for (const fold of folds) fold.open = true;
    layout();
    scrollToRow(rowOf(top));
    render();
  }

  // -- fetching ------------------------------------------------------------------------------------------------------

  async function read(first, count) {
    const answer = await fetch(`${api}/contents?offset=${first}&limit=${count}`, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const body = await answer.json();
    const lines = body.logchunks[0].content.split("\n");
    lines.pop();
    return lines;
  }
  function chunk(number) {
    const lines = chunks.get(number);
    if (lines) { chunks.delete(number); chunks.set(number, lines); }
    const have = lines ? lines.length : 0;
    const there = Math.min(CHUNK, total - number * CHUNK);
    if (have < there && !wanted.has(number)) {
      const job = read(number * CHUNK + have, CHUNK - have)
        .then((more) => {
          chunks.set(number, (lines || []).concat(more));
          noteHeaders(number * CHUNK + have, more);
          if (chunks.size > KEPT_CHUNKS) chunks.delete(chunks.keys().next().value);
        })
        .catch(() => new Promise((resolve) => { setTimeout(resolve, 2000); }))
        .finally(() => { wanted.delete(number); refresh(); });
      wanted.set(number, job);
    }
    return lines || [];
  }

  // -- drawing -------------------------------------------------------------------------------------------------------

  function height() { return Math.min(rows() * rowHeight, MAX_HEIGHT); }
  function shownRows() { return scroller.clientHeight / rowHeight; }
  function scaled() { return rows() * rowHeight > MAX_HEIGHT; }
  function topRow() {
    if (!scaled()) return scroller.scrollTop / rowHeight;
    const part = scroller.scrollTop / Math.max(1, height() - scroller.clientHeight);
    return part * Math.max(0, rows() - shownRows());
  }
  function scrollToRow(row, rest = 0) {
    byScript = true;
    if (!scaled()) scroller.scrollTop = (row + rest) * rowHeight;
    else scroller.scrollTop = (row / Math.max(1, rows() - shownRows())) * (height() - scroller.clientHeight);
  }
  function layout() {
    spacer.style.height = `${height()}px`;
    const count = document.getElementById("log-count");
    if (count) count.textContent = `${total} line${total === 1 ? "" : "s"}${complete ? "" : ", running"}`;
  }
  function toEnd() {
    layout();
    byScript = true;
    scroller.scrollTop = height();
    render();
  }
  function refresh() {
    if (drawn) return;
    drawn = true;
    requestAnimationFrame(() => { drawn = false; layout(); if (following) toEnd(); else render(); });
  }

  function render() {
    const top = topRow();
    const first = Math.max(0, Math.floor(top) - OVERSCAN);
    const last = Math.min(rows(), Math.ceil(top + shownRows()) + OVERSCAN);
    const made = [];
    for (let row = first; row < last; row++) made.push(drawRow(lineOf(row)));
    content.replaceChildren(...made);
    const offset = scaled() ? scroller.scrollTop - (top - first) * rowHeight : first * rowHeight;
    content.style.transform = `translateY(${offset}px)`;
  }

  function drawRow(number) {
    const fold = foldAt(number);
    if (fold) {
      const open = () => { fold.open = true; layout(); render(); };
      const text = `${fold.end - fold.start} lines about the command`;
      return element("div", { class: "row fold" }, element("button", { type: "button", onclick: open, "aria-expanded": "false" }, `▸ ${text}`));
    }
    const text = chunk(Math.floor(number / CHUNK))[number % CHUNK];
    const channel = text === undefined ? "waiting" : hasChannels ? CHANNELS[text[0]] || "stdout" : "stdout";
    const row = element("div", { class: `row ${channel}`, id: `L${number + 1}` });
    if (selected && number >= selected[0] && number <= selected[1]) row.classList.add("selected");
    if (number === hit) row.classList.add("hit");
    row.append(element("a", { class: "n", href: `#L${number + 1}`, onclick: (event) => choose(event, number) }, `${number + 1}`));
    if (text !== undefined) drawText(row, hasChannels ? text.slice(1) : text);
    return row;
  }
  function drawText(row, text) {
    const shown = text.length > LONG_LINE ? text.slice(0, LONG_LINE) : text;
    if (needle && strip(shown).toLowerCase().includes(needle)) drawMarked(row, strip(shown));
    else draw(shown, row);
    if (shown.length < text.length) row.append(element("i", {}, ` … ${text.length - shown.length} more characters`));
  }
  function drawMarked(row, text) {
    const low = text.toLowerCase();
    let at = 0;
    for (let next = low.indexOf(needle); next >= 0; next = low.indexOf(needle, at)) {
      row.append(text.slice(at, next), element("mark", {}, text.slice(next, next + needle.length)));
      at = next + needle.length;
    }
    row.append(text.slice(at));
  }

  // -- going somewhere -----------------------------------------------------------------------------------------------

  function goTo(number) {
    const at = Math.max(0, Math.min(total - 1, number));
    const fold = closed().find((one) => at >= one.start && at < one.end);
    if (fold && number !== total - 1) fold.open = true;
    setFollowing(false);
    layout();
    scrollToRow(Math.max(0, rowOf(at) - shownRows() / 3));
    render();
  }
  function setFollowing(value) { following = value && !complete; follow.checked = following; }
  function select(first, last) { selected = [Math.min(first, last), Math.max(first, last)]; }
  function choose(event, number) {
    event.preventDefault();
    if (event.shiftKey && selected) select(selected[0], number);
    else select(number, number);
    const [first, last] = selected;
    history.replaceState(null, "", `#L${first + 1}${last > first ? `-L${last + 1}` : ""}`);
    setFollowing(false);
    render();
  }
  function fromHash() {
    const parts = /^#L(\d+)(?:-L(\d+))?$/.exec(location.hash);
    if (!parts) return false;
    select(Number(parts[1]) - 1, Number(parts[2] || parts[1]) - 1);
    goTo(selected[0]);
    return true;
  }

  // -- searching -----------------------------------------------------------------------------------------------------

  async function search(direction) {
    const mine = ++searching;
    const text = field.value.toLowerCase();
    if (text !== needle) { needle = text; hit = null; }
    render();
    if (!needle) { found.value = ""; return; }
    let from = hit === null ? lineOf(Math.floor(topRow())) : hit + direction;
    for (let left = total; left > 0;) {
      if (from >= total) from = 0;
      if (from < 0) from = total - 1;
      found.value = `searching at line ${from + 1}…`;
      const first = direction > 0 ? from : Math.max(0, from - SEARCH_CHUNK + 1);
      const count = direction > 0 ? Math.min(SEARCH_CHUNK, total - from) : from - first + 1;
      let lines;
      try { lines = await read(first, count); } catch (error) { found.value = "the master does not answer"; return; }
      if (mine !== searching) return;
      if (!lines.length) break;
      const at = look(lines, direction);
      if (at >= 0) { hit = first + at; found.value = `line ${hit + 1}`; goTo(hit); return; }
      left -= lines.length;
      from = direction > 0 ? from + lines.length : first - 1;
    }
    found.value = "not found";
  }
  function look(lines, direction) {
    const has = (text) => strip(hasChannels ? text.slice(1) : text).toLowerCase().includes(needle);
    return direction > 0 ? lines.findIndex(has) : lines.findLastIndex(has);
  }

  // -- living --------------------------------------------------------------------------------------------------------

  function grow(log) {
    if (log.num_lines > total) total = log.num_lines;
    if (log.complete && !complete) { complete = true; followLabel.hidden = true; source.close(); setTimeout(() => setFollowing(false), 500); }
    refresh();
  }
  async function ask() {
    const answer = await fetch(api, { credentials: "same-origin" });
    if (answer.ok) grow((await answer.json()).logs[0]);
  }
  let source = null;
  if (!complete) {
    const events = `${root}sse/listen/logs/${host.dataset.logid}/*?since=`;
    source = new window.LiveSource(events + host.dataset.position);
    source.addEventListener("event", (event) => { source.url = events + event.lastEventId; grow(JSON.parse(event.data).message); });
    source.addEventListener("gap", (event) => { source.url = events + event.lastEventId; ask(); });
  }

  scroller.addEventListener("scroll", () => {
    if (byScript) byScript = false;
    else if (!complete) setFollowing(scroller.scrollTop + scroller.clientHeight >= height() - rowHeight);
    if (!drawn) { drawn = true; requestAnimationFrame(() => { drawn = false; render(); }); }
  });
  window.addEventListener("resize", refresh);
  window.addEventListener("hashchange", fromHash);
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); field.focus(); }
    else if (event.key === "n") search(1);
    else if (event.key === "N") search(-1);
  });

  layout();
  const start = Number(host.dataset.first);
  if (!fromHash()) { if (following) toEnd(); else if (start) goTo(start); else render(); }
}
