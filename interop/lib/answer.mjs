// The answer to a refused request, as far as a client can tell: for being compared between faces.

import assert from 'node:assert/strict';
import { challengesOf } from './client.mjs';
import { send, valuesOf } from './raw.mjs';

/** The fields of an answer that are the guard's own; a proxy adds others. */
const FIELDS = ['www-authenticate', 'cache-control', 'retry-after', 'access-control-expose-headers'];

const SECONDS = /\b\d{10}\b|\b\d+(?= s(econds)?\b)/g;

/**
 * Sends a request to a face; resolves to `{ status, error, nonces, fields, content }`. What names the face's own address is
 * written alike for all, as are seconds, which go by while faces are asked; and so are several fields of a name and one with all of their values (RFC 9110 section 5.3),
 * which is how nginx passes challenges on.
 */
export async function answerOf({ origin }, request) {
  const response = await send(origin, request);
  const { host } = new URL(origin);
  const alike = (text) => text.replaceAll(origin, 'ORIGIN').replaceAll(host, 'HOST').replaceAll(SECONDS, 'SECONDS');
  const together = (name) => alike(valuesOf(response, name).join(', '));
  return {
    status: response.status,
    error: await errorOf(response),
    nonces: valuesOf(response, 'dpop-nonce').length,
    fields: Object.fromEntries(FIELDS.map((name) => [name, together(name)])),
    // Where there is nothing, nginx says all the same what kind of thing it would be.
    content: response.body && [together('content-type'), alike(response.body)],
  };
}

/** The error code, which the body and every challenge have to agree on (RFC 6750 section 3). */
async function errorOf({ status, headers, body }) {
  const given = body === '' ? undefined : JSON.parse(body).error;
  const peersView = Object.defineProperty(new Response(body, { status, headers }), 'url', { value: 'http://localhost/' });
  for (const { scheme, parameters } of await challengesOf(peersView)) assert.equal(parameters.error, given, scheme);
  return given;
}
