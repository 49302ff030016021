// A filter whose rows are searched for is sent as soon as a row is chosen or taken away. The address
// of the list stays short: an empty input is left out of it.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form.typed-filter")) {
    form.addEventListener("submit", () => {
      for (const control of form.elements) {
        if (control.name && control.value === "") control.disabled = true;
      }
    });
  }

  // What Select2 tells, it tells by jQuery alone.
  if (window.django?.jQuery) {
    window.django.jQuery(".typed-filter .admin-autocomplete").on("change", (event) => {
      event.target.form.requestSubmit();
    });
  }
});
