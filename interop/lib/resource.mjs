// A protected resource guarded by software that we did not write: `jose` checks the access token, its binding, the
// proof and the nonce (RFC 9449 sections 7 and 9); then `oauth4webapi` gives a second opinion on the same request.

import http from 'node:http';
import { randomBytes } from 'node:crypto';
import * as jose from 'jose';
import * as oauth from 'oauth4webapi';
import { checkProof } from './proof.mjs';
import { KEYS_PATH } from './provider.mjs';
import { close, listen } from './wire.mjs';

export const THINGS_PATH = '/api/v1/things';
export const THINGS = ['anvil', 'bellows', 'chisel', 'dolly', 'elbow'].map((name, id) => ({ id, name }));

const ALGORITHMS = ['RS256', 'ES256', 'ES384', 'ES512'];
const PAGE = 2;

/** Serves five things in three pages at `THINGS_PATH`, behind the front at `issuer`, for its tokens. */
export async function startResource(issuer) {
  const guard = new Guard(issuer);
  const server = http.createServer(async (request, response) => {
    const refusal = await guard.refusalOf(request);
    // A new nonce with every answer, also with the good ones: the client has to use the newest (RFC 9449 section 8.2).
    response.setHeader('DPoP-Nonce', guard.renewNonce());
    if (refusal) {
      response.writeHead(401, { 'WWW-Authenticate': refusal.challenge, 'Content-Type': 'application/json' });
      return response.end(JSON.stringify({ errorCode: 'E0000011', errorSummary: refusal.reason, errorCauses: [] }));
    }
    servePage(new URL(request.url, issuer), response);
  });
  const origin = await listen(server);
  return { origin, close: () => close(server) };
}

/** Okta's pages: `limit`, an opaque `after`, and the next page's address in a Link header. */
function servePage(url, response) {
  const start = Number(url.searchParams.get('after') ?? 0);
  const end = start + PAGE;
  if (end < THINGS.length) {
    url.searchParams.set('after', end);
    response.appendHeader('Link', `<${url}>; rel="next"`);
  }
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify(THINGS.slice(start, end)));
}

class Guard {
  #issuer;
  #keys;
  #nonce;
  #seen = new Set();

  constructor(issuer) {
    this.#issuer = issuer;
    this.#keys = jose.createRemoteJWKSet(new URL(issuer + KEYS_PATH));
    this.renewNonce();
  }

  renewNonce() {
    this.#nonce = randomBytes(16).toString('base64url');
    return this.#nonce;
  }

  /** Undefined where the request is admitted. */
  async refusalOf(request) {
    const [scheme, accessToken, ...more] = request.headers.authorization?.split(' ') ?? [];
    if (scheme?.toLowerCase() !== 'dpop' || !accessToken || more.length > 0) {
      return refusal('no DPoP credentials', undefined); // R2
    }
    const token = await this.#verifyToken(accessToken).catch(() => undefined);
    if (!token?.cnf?.jkt) return refusal('the token is not good here', 'invalid_token'); // R3, R4

    const expected = {
      method: request.method,
      url: this.#issuer + request.url,
      accessToken,
      thumbprint: token.cnf.jkt,
    };
    let proof;
    try {
      proof = await checkProof(request.headers.dpop, expected);
    } catch (cause) {
      return refusal(cause.message, 'invalid_dpop_proof'); // R3
    }
    if (proof.claims.nonce !== this.#nonce) return refusal('a nonce is required', 'use_dpop_nonce'); // R5
    if (this.#seen.has(proof.claims.jti)) return refusal('seen before', 'invalid_dpop_proof'); // C1
    this.#seen.add(proof.claims.jti);
    return this.#secondOpinion(request);
  }

  async #verifyToken(accessToken) {
    const { payload } = await jose.jwtVerify(accessToken, this.#keys, {
      issuer: this.#issuer,
      audience: this.#issuer,
      typ: 'at+jwt',
      algorithms: ALGORITHMS,
    });
    return payload;
  }

  async #secondOpinion({ url, method, headers }) {
    const request = new Request(this.#issuer + url, { method, headers });
    const server = { issuer: this.#issuer, jwks_uri: this.#issuer + KEYS_PATH };
    const options = { requireDPoP: true, signingAlgorithms: ALGORITHMS, [oauth.allowInsecureRequests]: true };
    try {
      await oauth.validateJwtAccessToken(server, request, this.#issuer, options);
    } catch (cause) {
      return refusal(`oauth4webapi disagrees with jose: ${cause.message}`, 'invalid_dpop_proof');
    }
  }
}

function refusal(reason, error) {
  const code = error ? `error="${error}", ` : '';
  return { reason, challenge: `DPoP ${code}algs="${ALGORITHMS.join(' ')}"` };
}
