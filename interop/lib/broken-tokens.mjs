// Access tokens that break one rule each (RFC 9068 section 4, RFC 8725), signed by the authorization server's own key
// unless that is what is wrong. Every row starts from the claims of a good token.

import * as jose from 'jose';
import { KeyPair } from './keys.mjs';
import { now } from './proof.mjs';

/** A row that changes the header or the claims before they are signed. */
function changed(name, change) {
  return {
    name,
    make: (token, key) => {
      const parts = partsOf(token);
      change(parts);
      return signed(parts, key);
    },
  };
}

export const BROKEN_TOKENS = [
  { name: 'is no JWT', make: () => 'opaque' },
  { name: 'is signed by a stranger under the key id of the server', make: signedByStranger },
  { name: 'has alg none', make: unsigned },
  { name: 'has claims that were not signed', make: tampered },

  changed('is of another type of JWT', ({ header }) => (header.typ = 'JWT')),
  changed('is signed by a key that the server does not have', ({ header }) => (header.kid = 'unknown')),
  changed('is of another issuer', ({ claims }) => (claims.iss = 'https://attacker.example')),
  changed('is of the issuer in another spelling', ({ claims }) => (claims.iss += '/')),
  changed('is for another audience', ({ claims }) => (claims.aud = 'https://other.example')),
  changed('is for nobody', ({ claims }) => delete claims.aud),
  changed('has expired', ({ claims }) => (claims.exp = now() - 600)),
  changed('never expires', ({ claims }) => delete claims.exp),
  changed('is not valid yet', ({ claims }) => (claims.nbf = now() + 600)),
  changed('is bound to no key', ({ claims }) => delete claims.cnf),
  changed('is bound to something else', ({ claims }) => (claims.cnf = { 'x5t#S256': 'A'.repeat(43) })),
  changed('is bound to another key', ({ claims }) => (claims.cnf = { jkt: 'A'.repeat(43) })),
  changed('has an extension that nobody knows', ({ header }) => Object.assign(header, { crit: ['b'], b: 1 })),
];

function partsOf(token) {
  return { header: jose.decodeProtectedHeader(token), claims: jose.decodeJwt(token) };
}

function signed({ header, claims }, key) {
  const crit = Object.fromEntries((header.crit ?? []).map((name) => [name, true]));
  return new jose.CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader(header)
    .sign(key.privateKey, { crit });
}

async function signedByStranger(token, key) {
  return signed(partsOf(token), await KeyPair.generate(key.algorithm));
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function unsigned(token) {
  const { header, claims } = partsOf(token);
  return `${encode({ ...header, alg: 'none' })}.${encode(claims)}.`;
}

function tampered(token) {
  const { claims } = partsOf(token);
  return token.split('.').with(1, encode({ ...claims, sub: 'admin' })).join('.');
}
