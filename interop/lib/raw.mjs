// A request exactly as it is written: fields in any number, paths in any spelling. Clients that others wrote send what
// is right only, and a thief does not use them.

import http from 'node:http';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { pairs } from './api.mjs';

/** No answer takes longer, also on a busy machine. */
const PATIENCE = 20_000;

/** Sends one request; resolves to `{ status, headers: [[name, value]], body }`. */
export async function send(origin, { method = 'GET', path = '/', headers = [], body } = {}) {
  const { hostname, port, host } = new URL(origin);
  const framing = body === undefined ? [] : [['Content-Length', Buffer.byteLength(body)]];
  const fields = [['Host', host], ...framing, ...headers, ['Connection', 'close']];
  const request = http.request({
    ...{ hostname, port, method, path, headers: fields.flat().map(String) },
    ...{ setHost: false, agent: false, signal: AbortSignal.timeout(PATIENCE) },
  });
  request.end(body);
  const [response] = await once(request, 'response');
  return {
    status: response.statusCode,
    headers: pairs(response.rawHeaders),
    body: (await buffer(response)).toString(),
  };
}

/** The values of a field, in order. */
export function valuesOf({ headers }, name) {
  return headers.filter(([given]) => given === name).map(([, value]) => value);
}
