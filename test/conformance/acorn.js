// Reads scripts from the JSON file that is its argument, [{file, code}], and prints those that are not ECMAScript 5 with the
// reason: [{file, reason}].
"use strict";

const fs = require("fs");
const acorn = require("acorn");

const refused = [];
for (const { file, code } of JSON.parse(fs.readFileSync(process.argv[2], "utf8"))) {
  try {
    acorn.parse(code, { ecmaVersion: 5, sourceType: "script" });
  } catch (err) {
    refused.push({ file, reason: err.message });
  }
}
console.log(JSON.stringify(refused));
