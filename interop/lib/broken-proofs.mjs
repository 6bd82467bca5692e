// Broken proofs for the rules of RFC 9449 section 4.3 and its companions. Every row starts from a good proof and breaks
// one thing; `make(key, request)` returns the proof.

import { generateKeyPairSync, sign as rawSign, createHmac } from 'node:crypto';
import { exportJWK } from 'jose';
import { KeyPair } from './keys.mjs';
import { makeProof, now, proofParts, signProof } from './proof.mjs';

const check = (number) => `RFC 9449 section 4.3, check ${number}`;
const CRITICAL = 'RFC 7515 section 4.1.11';
const EXPIRY = 'RFC 7519 sections 4.1.4 and 4.1.5';
const KEY_QUALITY = 'RFC 7518 sections 3.3 and 6';
const KEY_USE = 'RFC 7517 sections 4.2 to 4.4';

/** It is not the key of the token either, which a resource sees first: RFC 9449 section 7.1 has this error for it. */
const BY_ANOTHER_KEY = { errorAtResource: 'invalid_token' };

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A row that changes the header or the claims before they are signed. */
function changed(rule, name, change) {
  const make = async (key, request) => {
    const parts = proofParts(key, request);
    await change(parts, request, key);
    return signProof(parts, key);
  };
  return { rule, name, make };
}

/** A row that changes a good proof after it was signed. */
function tampered(rule, name, tamper) {
  return { rule, name, make: async (key, request) => tamper(await makeProof(key, request), key, request) };
}

const BROKEN_PROOFS = [
  tampered(check(2), 'is not a JWS at all', () => 'not-a-proof'),
  tampered(check(2), 'has two parts only', (proof) => proof.split('.').slice(0, 2).join('.')),
  tampered(check(2), 'has a padded signature', (proof) => `${proof}=`),
  tampered(check(2), 'has claims that are no object', (proof) => replacePart(proof, 1, encode(['GET']))),

  changed(check(3), 'has no jti', ({ claims }) => delete claims.jti),
  changed(check(3), 'has no htm', ({ claims }) => delete claims.htm),
  changed(check(3), 'has no htu', ({ claims }) => delete claims.htu),
  changed(check(3), 'has no iat', ({ claims }) => delete claims.iat),
  changed(check(3), 'has a number for jti', ({ claims }) => (claims.jti = 7)),
  changed(check(3), 'has a string for iat', ({ claims }) => (claims.iat = String(claims.iat))),

  changed(check(4), 'has no typ', ({ header }) => delete header.typ),
  changed(check(4), 'has the typ of another JWT', ({ header }) => (header.typ = 'JWT')),

  { rule: check(5), name: 'has alg none', make: unsigned },
  { rule: check(5), name: 'is signed by HMAC', make: signedByHmac },
  tampered(KEY_USE, 'has an alg that does not fit the key', withUnfitAlgorithm),

  tampered(check(6), 'has one bit of its signature flipped', flipSignatureBit),
  tampered(check(6), 'has claims that were not signed', (proof, key, request) =>
    replacePart(proof, 1, encode({ ...proofParts(key, request).claims, jti: 'another' })),
  ),
  { rule: check(6), name: 'is signed by a thief who does not have the key', make: signedByThief },

  { rule: check(7), name: 'gives its private key away', make: withPrivateKey },

  changed(check(8), 'is for another method', ({ claims }) => (claims.htm = 'DELETE')),
  changed(check(8), 'writes the method small', ({ claims }) => (claims.htm = claims.htm.toLowerCase())),

  changed(check(9), 'is for another path', ({ claims }) => (claims.htu += '/other')),
  changed(check(9), 'has a slash at the end', ({ claims }) => (claims.htu += '/')),
  changed(check(9), 'is for another port', ({ claims }) => (claims.htu = withPort(claims.htu, 1))),
  changed(check(9), 'is for another host', ({ claims }) => (claims.htu = 'https://attacker.example/')),
  changed(check(9), 'has a path without an origin', ({ claims }) => (claims.htu = new URL(claims.htu).pathname)),

  changed(check(11), 'is ten minutes old', ({ claims }) => (claims.iat = now() - 600)),
  changed(check(11), 'comes from ten minutes ahead', ({ claims }) => (claims.iat = now() + 600)),

  changed(check(12), 'has no ath beside an access token', ({ claims }) => delete claims.ath),
  changed(check(12), 'is for another access token', ({ claims }) => (claims.ath = 'A'.repeat(43))),
  changed(check(12), 'has a padded ath', ({ claims }) => (claims.ath += '=')),

  changed(CRITICAL, 'has an extension that nobody knows', ({ header }) => Object.assign(header, { crit: ['b'], b: 1 })),
  changed(EXPIRY, 'says itself that it has expired', ({ claims }) => (claims.exp = now() - 60)),

  { rule: KEY_QUALITY, name: 'is signed with a 1024 bit RSA key', make: signedWithWeakRsa, ...BY_ANOTHER_KEY },
  changed(KEY_USE, 'has a key that is meant for another algorithm', ({ header }) => (header.jwk.alg = 'ES256K')),
  changed(KEY_USE, 'has a key that is meant for encryption', ({ header }) => (header.jwk.use = 'enc')),
  {
    ...changed(KEY_QUALITY, 'has a point that is not on the curve', ({ header }) => (header.jwk.y = header.jwk.x)),
    ...BY_ANOTHER_KEY,
    fits: (algorithm) => algorithm.startsWith('ES'),
  },
];

/** The broken proofs that a key of this algorithm can make for a request with an access token. */
export function brokenProofs(algorithm) {
  const fitting = BROKEN_PROOFS.filter(({ fits }) => fits?.(algorithm) ?? true);
  return fitting.map((row) => ({ errorAtResource: 'invalid_dpop_proof', ...row }));
}

/** Those that are broken also where no access token comes with the request, as at a token endpoint. */
export function brokenProofsWithoutToken(algorithm) {
  return brokenProofs(algorithm).filter(({ rule }) => rule !== check(12));
}

function replacePart(proof, index, part) {
  return proof.split('.').with(index, part).join('.');
}

function withUnfitAlgorithm(proof, key) {
  const alg = key.algorithm === 'ES256' ? 'RS256' : 'ES256';
  return replacePart(proof, 0, encode({ typ: 'dpop+jwt', alg, jwk: key.jwk }));
}

function flipSignatureBit(proof) {
  const signature = Buffer.from(proof.split('.')[2], 'base64url');
  signature[signature.length >> 1] ^= 1;
  return replacePart(proof, 2, signature.toString('base64url'));
}

function withPort(uri, port) {
  return Object.assign(new URL(uri), { port }).href;
}

function unsigned(key, request) {
  const { header, claims } = proofParts(key, request);
  return `${encode({ ...header, alg: 'none' })}.${encode(claims)}.`;
}

/** HMAC with the public key as its secret, the classic confusion of algorithms. */
function signedByHmac(key, request) {
  const { header, claims } = proofParts(key, request);
  const input = `${encode({ ...header, alg: 'HS256' })}.${encode(claims)}`;
  return `${input}.${createHmac('sha256', JSON.stringify(key.jwk)).update(input).digest('base64url')}`;
}

async function signedByThief(key, request) {
  return signProof(proofParts(key, request), await KeyPair.generate(key.algorithm));
}

async function withPrivateKey(key, request) {
  const parts = proofParts(key, request);
  parts.header.jwk = await exportJWK(key.privateKey);
  return signProof(parts, key);
}

/** `jose` declines to sign with so small a key, hence node:crypto. */
function signedWithWeakRsa(key, request) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const { claims } = proofParts(key, request);
  const header = { typ: 'dpop+jwt', alg: 'RS256', jwk: publicKey.export({ format: 'jwk' }) };
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${rawSign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}
