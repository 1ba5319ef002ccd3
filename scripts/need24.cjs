/**
 * Runs before `npm start` and `npm test`. When the pinned Node was not installed (install scripts were switched off),
 * npm falls back to the system's Node without a word, and an older one fails with a stack trace that names nothing.
 */
"use strict";

require("../bin/node-version.cjs")(function () {
  return "run `npm ci` with install scripts allowed (it brings the pinned Node), or put a newer Node first in PATH";
});
