// Posts over a pool of undici's, leaves it idle for about as long as its and other
// clients' pools keep connections, and posts again. Prints what failed as JSON.
//
//     node idle.mjs SOCKET SECONDS…   (one round for each time)
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";

const [socketPath, ...pauses] = process.argv.slice(2);
// Kept for longer than it is idle here, so that it is the daemon that could close it.
const options = { connect: { socketPath }, connections: 1, pipelining: 1, keepAliveTimeout: 60_000 };
const body = JSON.stringify({ provider_ids: ["acme"] });
const failed = [];

async function post(pool) {
  const answer = await pool.request({
    path: "/v2/auth/tokens/exists/batch",
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  await answer.body.text();
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}`);
}

await Promise.all(
  pauses.map(async (pause) => {
    const pool = new Pool("http://localhost", options);
    try {
      await post(pool);
      await sleep(Number(pause) * 1000);
      await post(pool);
    } catch (error) {
      failed.push(`after ${pause} s: ${error}`);
    } finally {
      await pool.close();
    }
  }),
);
console.log(JSON.stringify(failed));
