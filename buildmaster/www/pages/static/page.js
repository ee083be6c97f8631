// Small helps of every page: times that count, and following a request to its build.
const units = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

function words(seconds) {
  let left = Math.max(0, Math.round(seconds));
  if (left < 1) return "0 seconds";
  const parts = [];
  for (const [size, name] of units) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count) parts.push(`${count} ${name}${count === 1 ? "" : "s"}`);
    if (parts.length === 2) break;
  }
  return parts.join(", ");
}

function ago(seconds) {
  const away = Date.now() / 1000 - seconds;
  for (const [size, name] of units) {
    const count = Math.floor(Math.abs(away) / size);
    if (count) return away < 0 ? `in ${count} ${name}${count === 1 ? "" : "s"}` : `${count} ${name}${count === 1 ? "" : "s"} ago`;
  }
  return "just now";
}

function count() {
  const now = Date.now() / 1000;
  for (const element of document.querySelectorAll("[data-since]")) {
    element.textContent = words(now - Number(element.dataset.since));
  }
  for (const element of document.querySelectorAll("[data-ago]")) {
    element.textContent = ago(Number(element.dataset.ago));
  }
  const go = document.querySelector("a[data-go]");
  if (go) {
    go.removeAttribute("data-go");
    window.location.replace(go.href);
  }
}

// A form is sent once, however often its button is clicked.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
  window.setTimeout(() => delete form.dataset.sent, 3000);
});

document.addEventListener("htmx:sseMessage", count);
count();
window.setInterval(count, 1000);
