// The answer to a refused request, as far as a client can tell: for being compared between faces.

import assert from 'node:assert/strict';
import { challengesOf } from './client.mjs';
import { send, valuesOf } from './raw.mjs';

/** The fields of an answer that are the guard's own; a proxy adds others. */
const FIELDS = [
  'www-authenticate',
  'content-type',
  'cache-control',
  'retry-after',
  'access-control-expose-headers',
];

/**
 * Sends a request to a face; resolves to `{ status, error, nonce, fields, body }`. What names the face's own address is
 * written alike for all.
 */
export async function answerOf({ origin }, request) {
  const response = await send(origin, request);
  const alike = (text) => text.replaceAll(origin, 'ORIGIN').replaceAll(new URL(origin).host, 'HOST');
  const { status } = response;
  const body = alike(response.body);
  return {
    status,
    error: await errorOf(response),
    nonces: valuesOf(response, 'dpop-nonce').length,
    fields: Object.fromEntries(FIELDS.map((name) => [name, valuesOf(response, name).map(alike)])),
    body,
  };
}

/** The error code, which the body and every challenge have to agree on (RFC 6750 section 3). */
async function errorOf({ status, headers, body }) {
  const given = body === '' ? undefined : JSON.parse(body).error;
  const peersView = Object.defineProperty(new Response(body, { status, headers }), 'url', { value: 'http://localhost/' });
  for (const { scheme, parameters } of await challengesOf(peersView)) assert.equal(parameters.error, given, scheme);
  return given;
}
