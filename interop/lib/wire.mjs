// A recording front: one origin before several servers, which keeps what went over the wire, in order.

import http from 'node:http';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';

export class Wire {
  #server;
  #routes = [];

  /** Each `{ request: { method, target, headers, rawHeaders, body }, response: { status, headers, body } }`. */
  exchanges = [];

  static async open() {
    const wire = new Wire();
    wire.#server = http.createServer((request, response) => {
      wire.#pass(request, response).catch((cause) => response.destroy(cause));
    });
    wire.origin = await listen(wire.#server);
    return wire;
  }

  /** Sends targets that start with `prefix` on to the server at `origin`. The first route that fits is taken. */
  route(prefix, origin) {
    this.#routes.push({ prefix, origin });
    return this;
  }

  to(path) {
    return this.exchanges.filter(({ request }) => request.target.split('?')[0] === path);
  }

  close() {
    return close(this.#server);
  }

  async #pass(incoming, outgoing) {
    const { method, url: target, headers, rawHeaders } = incoming;
    const body = await buffer(incoming);
    const route = this.#routes.find(({ prefix }) => target.startsWith(prefix));
    if (!route) throw new Error(`nothing stands behind ${target}`);

    // The Host field is passed on as it came, so that the server behind knows its public name.
    const forwarded = http.request(new URL(target, route.origin), { method, headers: rawHeaders, setHost: false });
    forwarded.end(body);
    const [answer] = await once(forwarded, 'response');
    const answerBody = await buffer(answer);

    this.exchanges.push({
      request: { method, target, headers, rawHeaders, body: body.toString() },
      response: { status: answer.statusCode, headers: answer.headers, body: answerBody.toString() },
    });
    outgoing.writeHead(answer.statusCode, answer.rawHeaders).end(answerBody);
  }
}

/** Listens on a free loopback port; resolves to the origin. */
export async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}

export async function close(server) {
  server.close();
  server.closeAllConnections?.();
  await once(server, 'close');
}
