// Says which files the formatter of `terraform fmt` (as WebAssembly) would change: node format.cjs <package> <file>…
const { readFileSync } = require("node:fs");
const [library, ...files] = process.argv.slice(2);
const { format } = require(require("node:path").resolve(library));

(async () => {
  let wrong = 0;
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    if ((await format(text)) !== text) {
      console.error(`${file} is not formatted`);
      wrong += 1;
    }
  }
  process.exit(wrong === 0 ? 0 : 1);
})();
