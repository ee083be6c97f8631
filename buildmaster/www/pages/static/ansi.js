// Terminal colours: a line of text with SGR sequences as DOM nodes, other control sequences dropped.
const SEQUENCE = /\x1b(?:\[([0-?]*)([ -/]*[@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;

export function strip(text) {
  return text.replace(SEQUENCE, "");
}

function colour(codes, at) {
  // 38;5;n and 38;2;r;g;b; returns [css colour or class, numbers used]
  if (codes[at + 1] === 5) {
    const n = codes[at + 2] || 0;
    if (n < 16) return [`c${n}`, 2];
    if (n >= 232) return [`rgb(${Array(3).fill(8 + (n - 232) * 10).join(",")})`, 2];
    const level = (v) => (v ? 55 + v * 40 : 0);
    const c = n - 16;
    return [`rgb(${level(Math.floor(c / 36))},${level(Math.floor(c / 6) % 6)},${level(c % 6)})`, 2];
  }
  if (codes[at + 1] === 2) {
    const [r, g, b] = codes.slice(at + 2, at + 5).map((v) => Math.min(255, v || 0));
    return [`rgb(${r || 0},${g || 0},${b || 0})`, 4];
  }
  return [null, 0];
}

function change(style, parameters) {
  const codes = parameters.split(/[;:]/).map((text) => parseInt(text, 10) || 0);
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    if (code === 0) style = {};
    else if (code === 1) style = { ...style, bold: true };
    else if (code === 2) style = { ...style, faint: true };
    else if (code === 3) style = { ...style, italic: true };
    else if (code === 4) style = { ...style, underline: true };
    else if (code === 7) style = { ...style, inverse: true };
    else if (code === 22) style = { ...style, bold: false, faint: false };
    else if (code === 23) style = { ...style, italic: false };
    else if (code === 24) style = { ...style, underline: false };
    else if (code === 27) style = { ...style, inverse: false };
    else if (code === 38 || code === 48) {
      const [value, used] = colour(codes, at);
      style = { ...style, [code === 38 ? "fg" : "bg"]: value };
      at += used;
    } else if (code === 39) style = { ...style, fg: null };
    else if (code === 49) style = { ...style, bg: null };
    else if (code >= 30 && code <= 37) style = { ...style, fg: `c${code - 30}` };
    else if (code >= 90 && code <= 97) style = { ...style, fg: `c${code - 82}` };
    else if (code >= 40 && code <= 47) style = { ...style, bg: `c${code - 40}` };
    else if (code >= 100 && code <= 107) style = { ...style, bg: `c${code - 92}` };
  }
  return style;
}

function plain(style) {
  return !Object.values(style).some(Boolean);
}

function styled(text, style) {
  const span = document.createElement("span");
  span.textContent = text;
  for (const name of ["bold", "faint", "italic", "underline", "inverse"]) if (style[name]) span.classList.add(name);
  for (const [kind, property] of [["fg", "color"], ["bg", "backgroundColor"]]) {
    const value = style[kind];
    if (value && value.startsWith("rgb")) span.style[property] = value;
    else if (value) span.classList.add(`${kind}-${value}`);
  }
  return span;
}

export function draw(text, into) {
  let style = {};
  let at = 0;
  const put = (piece) => {
    if (piece) into.append(plain(style) ? piece : styled(piece, style));
  };
  for (const found of text.matchAll(SEQUENCE)) {
    put(text.slice(at, found.index));
    at = found.index + found[0].length;
    if (found[2] === "m") style = change(style, found[1] || "0");
  }
  put(text.slice(at));
}
