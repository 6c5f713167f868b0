// Loads an exported GGUF-LoRA in a real llama.cpp (node-llama-cpp) and compares it with our own
// engine:
//
//     greedy MODEL RUN 32 logits.bin < prompts > ours.jsonl
//     NODE_PATH=…/node_modules node compare_llama.mjs MODEL.gguf ADAPTER.gguf|- ours.jsonl logits.bin [same]
//
// With "same" greedy tokens must be equal; the KL divergence of the distributions behind each
// prompt must be at most 0.01. Probabilities come as float32 sorted lists.
import {createRequire} from "node:module";
import {readFileSync} from "node:fs";
import {pathToFileURL} from "node:url";

const require = createRequire(process.env.NODE_PATH + "/");
const {getLlama} = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);

const [modelPath, adapter, oursPath, logitsPath, same] = process.argv.slice(2);
const lines = readFileSync(oursPath, "utf8").trim().split("\n").map((line) => JSON.parse(line));
const bytes = readFileSync(logitsPath);
const logits = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const vocab = logits.length / lines.length;

const llama = await getLlama({gpu: false, build: "never", skipDownload: true, maxThreads: 1});
const model = await llama.loadModel({modelPath, useMmap: true});
const lora = adapter === "-" ? undefined : {adapters: [{filePath: adapter, scale: 1}]};

function klFrom(theirs, ours) {
    let most = -Infinity, sum = 0, kl = 0;
    for (const value of ours) most = Math.max(most, value);
    for (const value of ours) sum += Math.exp(value - most);
    for (const [token, p] of theirs)
        if (p > 0) kl += p * (Math.log(p) - (ours[token] - most - Math.log(sum)));
    return kl;
}

let failed = 0, worst = 0;
for (const [index, line] of lines.entries()) {
    const context = await model.createContext({contextSize: 512, lora, threads: 1});
    const sequence = context.getSequence();
    const input = line.prompt.map((token, i) =>
        i + 1 === line.prompt.length ? [token, {generateNext: {probabilities: true}}] : token);
    const output = await sequence.controlledEvaluate(input);
    const theirs = output[line.prompt.length - 1].next.probabilities;
    const kl = klFrom(theirs, logits.subarray(index * vocab, (index + 1) * vocab));
    await context.dispose();

    const second = await model.createContext({contextSize: 512, lora, threads: 1});
    let equal = 0;
    for await (const token of second.getSequence().evaluate(line.prompt, {temperature: 0})) {
        if (equal === line.reply.length || token !== line.reply[equal]) break;
        equal++;
    }
    await second.dispose();
    worst = Math.max(worst, kl);
    const bad = kl > 0.01 || (same === "same" && equal !== line.reply.length);
    failed += bad;
    console.log(`${equal} of ${line.reply.length} greedy tokens equal, KL ${kl.toExponential(2)}`);
}
console.log(`${lines.length - failed} passed, ${failed} failed, 0 skipped (largest KL ${worst.toExponential(2)})`);
process.exit(failed ? 1 : 0);
