// The console's one module. Every page works without it; it refreshes, checks while one types, and copies.
// Fragments come from this server only, escaped there; the policy below is the one door for them.

const policy = globalThis.trustedTypes
  ? globalThis.trustedTypes.createPolicy("muster", { createHTML: (text) => text })
  : { createHTML: (text) => text };

export function put(place, text) {
  place.innerHTML = policy.createHTML(text);
}

export async function fetchFragment(url, options = {}) {
  const response = await fetch(url, {
    ...options,
    credentials: "same-origin",
    headers: { "X-Fragment": "1", ...options.headers },
    signal: AbortSignal.timeout(15000),
  });
  return { isOk: response.ok || response.status === 422, status: response.status, text: await response.text() };
}

// ---- relative times

const UNITS = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [2592000, 86400, "d"]];

function ago(moment) {
  const seconds = (Date.now() - moment) / 1000;
  const span = Math.abs(seconds);
  if (span < 5) return "just now";
  const unit = UNITS.find(([limit]) => span < limit);
  if (!unit) return null;
  const words = `${Math.floor(span / unit[1])} ${unit[2]}`;
  return seconds > 0 ? `${words} ago` : `in ${words}`;
}

function renewTimes() {
  for (const place of document.querySelectorAll("time[datetime]")) {
    const words = ago(Date.parse(place.dateTime));
    if (words && words !== place.textContent) place.textContent = words;
  }
}

setInterval(renewTimes, 10000);

// ---- the page that refreshes itself

function keepFresh(place) {
  const wait = Number(place.dataset.refreshSeconds) * 1000;
  const tick = async () => {
    if (document.hidden || place.contains(document.activeElement)) return setTimeout(tick, wait);
    try {
      const answer = await fetchFragment(place.dataset.refresh, { headers: { "X-Refresh": "1" } });
      if (answer.status === 401) return say(place, "You are signed out. Reload the page to sign in again.");
      if (answer.isOk) {
        put(place, answer.text);
        place.dispatchEvent(new CustomEvent("muster:fresh", { bubbles: true }));
        if (place.querySelector("[data-refresh-end]")) return undefined; // it came to its end
      }
    } catch {
      say(place, "Muster does not answer at the moment. Trying again.");
    }
    return setTimeout(tick, wait);
  };
  setTimeout(tick, wait);
}

export function say(place, text) {
  const old = place.querySelector(":scope > .notice");
  const notice = old ?? document.createElement("div");
  notice.className = "notice notice-wait";
  notice.setAttribute("role", "status");
  notice.textContent = text;
  place.prepend(notice);
}

// ---- what somebody types: the server looks at it at each pause

const PAUSE = 400;

export function atPauses(text, work) {
  let timer = 0;
  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(work, PAUSE);
  });
}

// A function that posts what it is given to `url` and puts the answer into `result`; `name` begins the sentence when it
// fails. Of questions that overtake one another the last counts: false for the answer to an earlier one.
export function makeAsk(result, url, name) {
  let turn = 0;
  return async (values) => {
    turn += 1;
    const mine = turn;
    const body = new FormData();
    for (const [key, value] of Object.entries(values)) body.set(key, value);
    result.classList.add("busy");
    try {
      const answer = await fetchFragment(url, {
        method: "POST",
        body,
        headers: { "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content },
      });
      if (mine !== turn) return false;
      if (answer.status === 401) say(result, "You are signed out. Keep your text somewhere, then sign in again.");
      else if (answer.isOk) put(result, answer.text);
      else say(result, `${name} did not go through. It is tried again when you go on typing.`);
    } catch {
      if (mine === turn) say(result, "Muster does not answer at the moment. It is tried again when you go on typing.");
    }
    result.classList.remove("busy");
    return true;
  };
}

// ---- the mapping editor

function startEditor(form) {
  const text = form.querySelector("textarea");
  const gutter = form.querySelector(".gutter");
  const result = document.getElementById("result");
  const choice = document.getElementById("event");
  const publish = form.querySelector("[data-publish]");
  const ask = makeAsk(result, form.dataset.check, "The check");
  let isLeaving = false;

  function drawGutter() {
    const marked = new Set([...result.querySelectorAll("[data-line]")].map((el) => Number(el.dataset.line)));
    const count = text.value.split("\n").length;
    const lines = [];
    for (let number = 1; number <= count; number += 1) {
      const line = document.createElement("span");
      line.textContent = String(number);
      if (marked.has(number)) line.className = "marked";
      lines.push(line);
    }
    gutter.replaceChildren(...lines);
    gutter.scrollTop = text.scrollTop;
    if (publish) publish.disabled = result.querySelector("[data-verdict]")?.dataset.verdict !== "ok";
  }

  async function check() {
    if (await ask({ document: text.value, event: choice?.value ?? "" })) drawGutter();
  }

  function goToLine(number) {
    const lines = text.value.split("\n");
    const start = lines.slice(0, number - 1).reduce((sum, line) => sum + line.length + 1, 0);
    text.focus();
    text.setSelectionRange(start, start + (lines[number - 1]?.length ?? 0));
    text.scrollTop = Math.max(0, (number - 4) * Number.parseFloat(getComputedStyle(text).lineHeight));
  }

  text.addEventListener("input", () => {
    if (publish) publish.disabled = true;
    drawGutter();
    if (publish) publish.disabled = true;
  });
  atPauses(text, check);
  text.addEventListener("scroll", () => { gutter.scrollTop = text.scrollTop; });
  text.addEventListener("keydown", (event) => {
    // Tab indents, as in every editor; Escape first, and Tab moves on, so that the keyboard is not trapped.
    if (event.key !== "Tab") isLeaving = event.key === "Escape";
    if (event.key !== "Tab" || event.shiftKey || isLeaving || text.readOnly) return;
    event.preventDefault();
    text.setRangeText("  ", text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input"));
  });
  choice?.addEventListener("change", check);
  result.addEventListener("click", (event) => {
    const link = event.target.closest("[data-line], [data-advice-line]");
    if (link) goToLine(Number(link.dataset.line ?? link.dataset.adviceLine));
  });
  let isSent = false;
  form.addEventListener("submit", () => { isSent = true; });
  window.addEventListener("beforeunload", (event) => {
    if (!isSent && text.value !== text.defaultValue) event.preventDefault();
  });
  drawGutter();
}

// ---- small things

// On a phone the rooms stand in one row that scrolls: the room one is in should be seen.
const rooms = document.querySelector(".rooms");
const here = rooms?.querySelector(".here");
if (here) rooms.scrollLeft = here.offsetLeft - (rooms.clientWidth - here.offsetWidth) / 2;

document.addEventListener("change", (event) => {
  if (event.target.matches("form[data-autosubmit] select")) event.target.form.requestSubmit();
});
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
});

for (const place of document.querySelectorAll("[data-refresh]")) keepFresh(place);
for (const form of document.querySelectorAll("form[data-check]")) startEditor(form);
