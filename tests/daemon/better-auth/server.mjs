// A Better Auth server for tests: email and password, everything in memory, on a port of the
// kernel's choosing. It prints "listening on URL" when it can be asked, and ends with its standard
// input, so that a test that dies leaves nothing behind.
//
//   BETTER_AUTH_SECRET   the secret; needed
//   COOKIE_CACHE         compact, jwt or jwe: the cookie cache, with that strategy; unset: none

import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { bearer } from "better-auth/plugins";

const secret = process.env.BETTER_AUTH_SECRET;
if (!secret) throw new Error("BETTER_AUTH_SECRET is not set");
const strategy = process.env.COOKIE_CACHE;

let handler;
const server = createServer((request, response) => handler(request, response));

server.listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const auth = betterAuth({
    baseURL: url,
    secret,
    trustedOrigins: [url],
    telemetry: { enabled: false },
    rateLimit: { enabled: false },
    database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
    emailAndPassword: { enabled: true },
    session: { cookieCache: strategy ? { enabled: true, strategy } : { enabled: false } },
    plugins: [bearer()],
  });

  handler = toNodeHandler(auth);
  console.log(`listening on ${url}`);
});

process.stdin.on("end", () => process.exit(0)).resume();
