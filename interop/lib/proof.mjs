// DPoP proofs by `jose`: made by hand, so that they can be broken one rule at a time, and checked by the twelve rules
// of RFC 9449 section 4.3.

import { createHash, randomUUID } from 'node:crypto';
import * as jose from 'jose';

const OLDEST_PROOF_SECONDS = 60;
const CLOCK_TOLERANCE_SECONDS = 5;
const ASYMMETRIC = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ');

/** `ath` of RFC 9449 section 4.2. */
export const accessTokenHash = (token) => createHash('sha256').update(token, 'ascii').digest('base64url');

/** Seconds since the epoch. */
export const now = () => Math.floor(Date.now() / 1000);

/**
 * The header and the claims of a good proof for a request `{ method, url, accessToken, nonce }`.
 * The URL's query and fragment are left out of `htu`.
 */
export function proofParts(key, { method, url, accessToken, nonce }) {
  const { origin, pathname } = new URL(url);
  return {
    header: { typ: 'dpop+jwt', alg: key.algorithm, jwk: { ...key.jwk } },
    claims: {
      jti: randomUUID(),
      htm: method,
      htu: origin + pathname,
      iat: now(),
      ...(accessToken && { ath: accessTokenHash(accessToken) }),
      ...(nonce && { nonce }),
    },
  };
}

/** Signs whatever it is given: what makes a proof good or bad is decided by the caller. */
export async function signProof({ header, claims }, key) {
  const crit = Object.fromEntries((header.crit ?? []).map((name) => [name, true]));
  return new jose.CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader(header)
    .sign(key.privateKey, { crit });
}

export async function makeProof(key, request) {
  return signProof(proofParts(key, request), key);
}

/**
 * Checks one proof against its request by RFC 9449 section 4.3; returns the claims and the key's thumbprint.
 * `thumbprint` is the access token's `cnf.jkt`, where there is one.
 */
export async function checkProof(proof, { method, url, accessToken, nonce, thumbprint }) {
  // Checks 2 to 7: one well-formed JWS, its type, an asymmetric algorithm, a public key only, the signature.
  const { payload, protectedHeader } = await jose.jwtVerify(proof, jose.EmbeddedJWK, {
    typ: 'dpop+jwt',
    algorithms: ASYMMETRIC,
    requiredClaims: ['jti', 'htm', 'htu', 'iat'],
    maxTokenAge: OLDEST_PROOF_SECONDS, // check 11
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
  });
  must(typeof payload.jti === 'string' && payload.jti !== '', 'check 3: jti is a string');
  must(payload.htm === method, 'check 8: htm is the method');
  must(withoutQuery(payload.htu) === withoutQuery(url), 'check 9: htu is the target');
  if (nonce !== undefined) must(payload.nonce === nonce, 'check 10: nonce is the one that was given');

  const proven = await jose.calculateJwkThumbprint(protectedHeader.jwk);
  if (accessToken !== undefined) must(payload.ath === accessTokenHash(accessToken), 'check 12: ath is of the token');
  if (thumbprint !== undefined) must(proven === thumbprint, 'check 12: the key is the one that the token is bound to');
  return { claims: payload, header: protectedHeader, thumbprint: proven };
}

export class ProofRefused extends Error {}

function must(holds, rule) {
  if (!holds) throw new ProofRefused(rule);
}

/** The URL parser normalises scheme, host, port and dot segments (RFC 3986 sections 6.2.2 and 6.2.3). */
function withoutQuery(uri) {
  if (!URL.canParse(uri)) return undefined;
  const { origin, pathname } = new URL(uri);
  return origin + pathname;
}
