// A small app with Better Auth whose customers and credits creditd keeps: what nginx.conf has behind it.
//
//   node app.mjs
//
//   BETTER_AUTH_SECRET   the secret, which creditd-sync has, too; needed
//   BETTER_AUTH_URL      what browsers call it (https://app.example.com)
//   PORT                 on 127.0.0.1 (3000)
//   CREDITD_HTTP         creditd-http's socket for local programs (/run/creditd/http-local.sock)

import { createServer, request } from "node:http";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";

const creditd = {
  socketPath: process.env.CREDITD_HTTP ?? "/run/creditd/http-local.sock",
  method: "POST",
  headers: { "Content-Type": "application/json" },
};

const auth = betterAuth({
  baseURL: process.env.BETTER_AUTH_URL ?? "https://app.example.com",
  secret: process.env.BETTER_AUTH_SECRET,
  database: memoryAdapter({ user: [], session: [], account: [], verification: [] }), // yours
  emailAndPassword: { enabled: true },
  session: { cookieCache: { enabled: true } },
  databaseHooks: {
    user: {
      create: {
        after: async ({ id, email, name }) => {
          const call = request({ ...creditd, path: "/v1/user.created" }, (answer) => {
            answer.resume();
            if (answer.statusCode >= 300) console.error(`creditd refused ${id}: ${answer.statusCode}`);
          });
          call.on("error", (error) => console.error(`creditd was not told of ${id}: ${error.message}`));
          call.end(JSON.stringify({ user_id: id, email, name }));
        },
      },
    },
  },
});

const answer = toNodeHandler(auth);
const server = createServer((asked, answered) => {
  if (asked.url.startsWith("/api/auth/")) answer(asked, answered);
  else answered.end("the app\n");
});

server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
