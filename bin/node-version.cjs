/**
 * Is this Node new enough? CommonJS in old syntax, so that an old Node can read it far enough to say what is needed.
 */
"use strict";

var NEEDED_MAJOR = 24;

/** False after one sentence that ends with the advice; the process then ends with 1. */
function isNewEnough(adviceFor) {
  if (Number(process.versions.node.split(".")[0]) >= NEEDED_MAJOR) return true;
  process.stderr.write(
    "mcplusplus needs Node " +
      NEEDED_MAJOR +
      " or newer; this is " +
      process.version +
      ": " +
      adviceFor(NEEDED_MAJOR) +
      "\n",
  );
  process.exitCode = 1;
  return false;
}

module.exports = isNewEnough;
