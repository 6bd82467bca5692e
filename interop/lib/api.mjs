// The API behind a guard: it believes whatever reaches it, and keeps it, so that a test sees what came through.

import http from 'node:http';
import { buffer } from 'node:stream/consumers';
import { WebSocketServer } from 'ws';
import { close, listen } from './wire.mjs';

export const THINGS_PATH = '/api/things';
export const THINGS = ['anvil', 'bellows', 'chisel'];

export class Api {
  #server;
  #sockets;
  #switched = new Set();

  /** Each `{ method, target, headers: [[name, value]], body }`, WebSocket handshakes among them, in order. */
  requests = [];

  static async open() {
    const api = new Api();
    api.#server = http.createServer((request, response) => api.#answer(request, response));
    api.#sockets = new WebSocketServer({ noServer: true });
    api.#server.on('upgrade', (request, socket, head) => api.#greet(request, socket, head));
    api.origin = await listen(api.#server);
    return api;
  }

  async close() {
    this.#sockets.clients.forEach((socket) => socket.terminate());
    this.#switched.forEach((socket) => socket.destroy());
    await close(this.#server);
  }

  /** What came since the last time it was asked. */
  taken() {
    return this.requests.splice(0);
  }

  async #answer(request, response) {
    this.#keep(request, (await buffer(request)).toString());
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(THINGS));
  }

  /** Says each message back. Another protocol than WebSocket is agreed to, and nothing said in it. */
  #greet(request, socket, head) {
    this.#keep(request, '');
    const { upgrade: protocol } = request.headers;
    if (protocol.toLowerCase() !== 'websocket') {
      socket.on('error', () => {}); // of being ended by whoever is in between
      this.#switched.add(socket.once('close', () => this.#switched.delete(socket)));
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (message, isBinary) => webSocket.send(message, { binary: isBinary }));
    });
  }

  #keep({ method, url: target, rawHeaders }, body) {
    this.requests.push({ method, target, headers: pairs(rawHeaders), body });
  }
}

/** Node's flat list of names and values as pairs, the names in small letters. */
export function pairs(rawHeaders) {
  const names = rawHeaders.filter((_, index) => index % 2 === 0);
  return names.map((name, index) => [name.toLowerCase(), rawHeaders[index * 2 + 1]]);
}
