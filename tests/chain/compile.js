// Compiles Solidity: JSON { name: source } on standard input, JSON { contract: creation code in hex } on standard output.
// The bytecode carries no metadata, so that it depends on nothing but the source and the version of the compiler.
const solc = require("solc");

const sources = {};
for (const [name, content] of Object.entries(JSON.parse(require("fs").readFileSync(0, "utf8")))) {
  sources[name] = { content };
}
const settings = {
  // Chains that are behind do not know newer opcodes.
  evmVersion: "paris",
  optimizer: { enabled: true, runs: 1 },
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["evm.bytecode.object"] } },
};
const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
const found = output.errors ?? [];
if (found.length) {
  console.error(found.map((each) => each.formattedMessage).join("\n"));
  process.exit(1);
}
const compiled = {};
for (const contracts of Object.values(output.contracts)) {
  for (const [name, contract] of Object.entries(contracts)) compiled[name] = contract.evm.bytecode.object;
}
process.stdout.write(JSON.stringify(compiled));
