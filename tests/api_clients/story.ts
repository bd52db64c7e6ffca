// The omnichannel story, played by the client that openapi-typescript generates.
// Arguments: the API's address and a key. Exits with an error if a step has another result.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/api.ts";

type Event = components["schemas"]["Event"];

const [baseUrl, key] = process.argv.slice(2);
const api = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${key}` } });

function must<T>(answer: { data?: T; error?: unknown }): T {
  assert.ok(answer.data, JSON.stringify(answer.error));
  return answer.data;
}

const opened = must(
  await api.POST("/v1/conversations", {
    body: {
      channel: "whatsapp",
      channel_account: "+4930123456",
      participants: [
        { participant_id: "ada", participant_role: "customer" },
        { participant_id: "helper", participant_role: "bot" },
      ],
    },
  }),
);
const conversation_id = opened.conversation_id!;
const path = { conversation_id };

async function reply(event: Event): Promise<void> {
  must(
    await api.POST("/v1/conversations/{conversation_id}/messages", {
      params: { path },
      body: {
        participant_id: "helper",
        text: "I am looking into it.",
        in_reply_to: event.message_id,
        control_epoch: event.control!.epoch,
      },
    }),
  );
}

const bot = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => {
    response.writeHead(204).end();
    const delivery: components["schemas"]["DeliveryBody"] = JSON.parse(body);
    if (delivery.data.participant_role === "customer") void reply(delivery.data);
  });
});
await new Promise<void>((ready) => bot.listen(0, "127.0.0.1", ready));

const webhook = must(
  await api.POST("/v1/webhooks", {
    body: {
      url: `http://127.0.0.1:${(bot.address() as AddressInfo).port}/`,
      event_types: ["message.created"],
      bot_id: "helper",
    },
  }),
);

async function messages() {
  return must(
    await api.GET("/v1/conversations/{conversation_id}/messages", { params: { path } }),
  ).items;
}

async function ask(channel: string, channel_account: string, text: string, total: number) {
  must(
    await api.POST("/v1/events", {
      body: {
        event_type: "message.created",
        conversation_id,
        channel,
        channel_account,
        participant_id: "ada",
        participant_role: "customer",
        text,
      },
    }),
  );
  const deadline = Date.now() + 30_000;
  while ((await messages()).length < total) {
    assert.ok(Date.now() < deadline, "the bot did not answer");
    await new Promise((done) => setTimeout(done, 50));
  }
}

await ask("whatsapp", "+4930123456", "Where is my order 4711?", 2);

const requested = must(
  await api.POST("/v1/conversations/{conversation_id}/handoffs", {
    params: { path },
    body: { participant_id: "helper", reason: "customer_request", queue: "orders" },
  }),
);
const handoff = { conversation_id, handoff_id: requested.event_id! };
must(
  await api.POST("/v1/conversations/{conversation_id}/handoffs/{handoff_id}/accept", {
    params: { path: handoff },
    body: { participant_id: "mira" },
  }),
);
const late = await api.POST("/v1/conversations/{conversation_id}/messages", {
  params: { path },
  body: { participant_id: "helper", text: "It is still in our house.", control_epoch: 1 },
});
assert.equal(late.response.status, 409);
assert.equal(late.error?.code, "stale_epoch");
must(
  await api.POST("/v1/conversations/{conversation_id}/messages", {
    params: { path },
    body: { participant_id: "mira", text: "Hello, this is Mira." },
  }),
);
must(
  await api.POST("/v1/conversations/{conversation_id}/handoffs/{handoff_id}/close", {
    params: { path: handoff },
    body: { participant_id: "mira" },
  }),
);
must(
  await api.POST("/v1/conversations/{conversation_id}/resolve", {
    params: { path },
    body: { participant_id: "mira", resolved_by: "agent", is_confirmed: true },
  }),
);
await ask("email", "shop@example.com", "It has come, but it is broken.", 5);

const events = must(
  await api.GET("/v1/conversations/{conversation_id}/events", {
    params: { path, query: { limit: 100 } },
  }),
).items;
const channels = events
  .filter((each) => each.event_type === "message.created")
  .map((each) => `${each.participant_id} ${each.channel} ${each.channel_account}`);
assert.deepEqual(channels, [
  "ada whatsapp +4930123456",
  "helper whatsapp +4930123456",
  "mira whatsapp +4930123456",
  "ada email shop@example.com",
  "helper email shop@example.com",
]);
await api.DELETE("/v1/webhooks/{webhook_id}", {
  params: { path: { webhook_id: webhook.webhook_id } },
});
bot.close();
console.log("the TypeScript client played the omnichannel story");
