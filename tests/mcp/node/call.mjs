// Makes the calls on its standard input with the TypeScript SDK 1.x, and prints what each gave its caller.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { text } from "node:stream/consumers";

const { url, key, calls } = JSON.parse(await text(process.stdin));
const requestInit = { headers: { Authorization: `Bearer ${key}` } };
const client = new Client({ name: "tests", version: "1" });
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
// The client learns the output schemas from the list, and checks every later result against them.
await client.listTools();
const outcomes = [];
for (const call of calls) {
  try {
    outcomes.push({ result: await client.callTool(call) });
  } catch (problem) {
    outcomes.push({ thrown: String(problem) });
  }
}
await client.close();
console.log(JSON.stringify(outcomes));
