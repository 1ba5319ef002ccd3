#!/usr/bin/env node
/**
 * The command. CommonJS in old syntax, so that an old Node can read it far enough to say what is needed.
 */
"use strict";

var fs = require("fs");
var os = require("os");
var path = require("path");
var url = require("url");

var isNewEnough = require("./node-version.cjs");

var ROOT = path.join(__dirname, "..");
var SOURCE = path.join(ROOT, "src", "cli", "main.ts");
var BUILT = path.join(ROOT, "dist", "cli", "main.js");

/** Whatever a start loads has been loaded by then. */
var SETTLED_MS = 2000;

function say(sentence) {
  process.stderr.write("mcplusplus: " + sentence + "\n");
}

/** In a clone the package finds itself by name only under its own export condition, which threads inherit. */
function conditionIsSet() {
  var condition = "--conditions=" + Object.keys(require("../package.json").exports["."])[0];
  var given = process.execArgv.join(" ") + " " + (process.env.NODE_OPTIONS || "");
  return given.indexOf(condition) !== -1 || given.indexOf(condition.replace("=", " ")) !== -1;
}

/**
 * What is compiled is kept for the next start, and for the threads of this one. Of sources it halves the start, and threads
 * that come and go while others strip types can crash the process (see src/compute/compile-cache.ts). This thread is told
 * directly, the threads that it starts inherit the variable. The directory is the user's own, since whoever can write there
 * can change what runs.
 */
function keepCompiled(fromSource) {
  if (process.env.NODE_COMPILE_CACHE) return;
  var home = process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
  var directory = fromSource
    ? path.join(ROOT, "node_modules", ".cache", "mcplusplus")
    : path.join(home, "mcplusplus", require("../package.json").version);
  try {
    fs.mkdirSync(directory, { recursive: true, mode: 448 });
  } catch {
    // No place for it: starts are slower, and that is all.
    return;
  }
  process.env.NODE_COMPILE_CACHE = directory;
  var module = require("module");
  module.enableCompileCache(directory);
  // Node writes it when the process ends by itself, and servers are killed: without this each of their starts would be a first.
  setTimeout(function () {
    module.flushCompileCache();
  }, SETTLED_MS).unref();
}

function start() {
  // The sources come first: a clone must never run a build that is older than they are.
  var fromSource = fs.existsSync(SOURCE);
  keepCompiled(fromSource);
  if (fromSource && !conditionIsSet()) {
    say(
      'task modules that import "mcplusplus" are not found this way in a clone: use `npm start` or `npm run mcplusplus --`',
    );
  }
  // When nothing is left to wait for before the command has ended, it has done nothing well.
  process.exitCode = 1;
  import(url.pathToFileURL(fromSource ? SOURCE : BUILT).href)
    .then(function (cli) {
      return cli.main(process.argv.slice(2));
    })
    .then(
      function (code) {
        // Not process.exit: output that is still on its way to a pipe would be cut off.
        process.exitCode = code;
      },
      function (error) {
        say(error && error.stack ? error.stack : String(error));
        process.exitCode = 1;
      },
    );
}

function adviceFor(neededMajor) {
  var words = ["npx", "-p", "node@" + neededMajor, "-p", "mcplusplus", "mcplusplus"].concat(
    process.argv.slice(2),
  );
  return "install a newer Node, or run it once with `" + words.join(" ") + "`";
}

if (isNewEnough(adviceFor)) start();
