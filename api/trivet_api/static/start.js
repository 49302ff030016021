// Starts Swagger UI on this site's document, in the reader's colour scheme.
"use strict";

const place = document.getElementById("docs");
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// A page cannot set a cookie of another name on a request, and need not: the browser sends the
// session by itself. A field that asks for it could only mislead.
function withoutCookies(spec) {
  const schemes = spec.components?.securitySchemes ?? {};
  const cookies = Object.keys(schemes).filter((name) => schemes[name].in === "cookie");
  for (const name of cookies) delete schemes[name];
  const operations = Object.values(spec.paths ?? {}).flatMap((path) => Object.values(path));
  for (const operation of operations) {
    if (Array.isArray(operation.security)) {
      operation.security = operation.security.filter((way) => !cookies.some((name) => name in way));
    }
  }
  return spec;
}

fetch(place.dataset.openapi)
  .then((response) => response.json())
  .then((document) => SwaggerUIBundle({
    spec: withoutCookies(document),
    domNode: place,
    deepLinking: true,
  }));
