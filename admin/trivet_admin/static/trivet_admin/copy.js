// A button that copies the text of an element: <button data-copy="the element's id" hidden>.
// It appears where scripts run. Browsers give the clipboard to secure pages only (HTTPS, and this
// machine); elsewhere the text is selected, for the reader to copy.
"use strict";
for (const button of document.querySelectorAll("[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = "Selected: copy it";
    }
  });
}
