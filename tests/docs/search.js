// Ask the search of a built site, in the worker that readers' browsers run: node search.js WORKER INDEX < WORDS.
// WORDS is a JSON array of typed texts; for each, prints the locations found, best first, as a JSON array in one line.
const fs = require("fs");
const [worker, index] = process.argv.slice(2);
const found = JSON.parse(fs.readFileSync(index, "utf8"));
const waiting = [];
globalThis.self = { postMessage: (message) => waiting.shift()(message) };
(0, eval)(fs.readFileSync(worker, "utf8"));

const ask = (type, data) =>
  new Promise((resolve) => {
    waiting.push(resolve);
    self.onmessage({ data: { type, data } });
  });

(async () => {
  await ask(0, found);
  for (const input of JSON.parse(fs.readFileSync(0, "utf8"))) {
    const all = { type: "operator", data: { operator: "and", operands: [] } }; // the worker adds to it
    const answer = await ask(2, { input, filter: { input: all, aggregation: { input: [] } } });
    console.log(JSON.stringify(answer.data.items.map((item) => found.items[item.id].location)));
  }
})();
