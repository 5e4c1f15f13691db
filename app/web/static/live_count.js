// How many people an entry rule lets in, counted by the server at each pause of the writer.
// Without this the button "Count" does the same.

import { fetchFragment, put, say } from "./console.js";

const PAUSE = 400;

function startCount(form) {
  const text = form.querySelector("textarea");
  const result = document.getElementById("count");
  let timer = 0;
  let turn = 0;

  async function count() {
    turn += 1;
    const mine = turn;
    const body = new FormData();
    body.set("rule", text.value);
    result.classList.add("busy");
    try {
      const answer = await fetchFragment(form.dataset.count, {
        method: "POST",
        body,
        headers: { "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content },
      });
      if (mine !== turn) return;
      if (answer.status === 401) say(result, "You are signed out. Keep your text somewhere, then sign in again.");
      else if (answer.isOk) put(result, answer.text);
      else say(result, "The count did not go through. It is tried again when you go on typing.");
    } catch {
      if (mine === turn) say(result, "Muster does not answer at the moment. It is tried again when you go on typing.");
    }
    result.classList.remove("busy");
  }

  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(count, PAUSE);
  });
}

for (const form of document.querySelectorAll("form[data-count]")) {
  if (!form.querySelector("textarea").readOnly) startCount(form);
}
