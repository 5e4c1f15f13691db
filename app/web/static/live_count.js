// How many people an entry rule lets in, counted by the server at each pause of the writer.
// Without this the button "Count" does the same.

import { atPauses, makeAsk } from "./console.js";

for (const form of document.querySelectorAll("form[data-count]")) {
  const text = form.querySelector("textarea");
  const ask = makeAsk(document.getElementById("count"), form.dataset.count, "The count");
  if (!text.readOnly) atPauses(text, () => ask({ rule: text.value }));
}
