// Requests that a guard refuses: broken proofs, broken tokens, credentials that are used wrongly. Each row says what the
// answer is; `write(victim)` returns the request, written for the origin that it is sent to.
//
// A victim is `{ origin, dpopKey, accessToken, unboundToken, signingKey }`.

import { brokenProofs } from './broken-proofs.mjs';
import { BROKEN_TOKENS } from './broken-tokens.mjs';
import { THINGS_PATH } from './api.mjs';
import { KeyPair } from './keys.mjs';
import { makeProof } from './proof.mjs';

/** A request with a token and a proof that is good for it, but for what `change` says. */
export async function written(victim, change = {}) {
  const { method = 'GET', path = THINGS_PATH, accessToken = victim.accessToken, key = victim.dpopKey } = change;
  const { make = makeProof, scheme = 'DPoP', headers = [], body } = change;
  const proof = await make(key, { method, url: victim.origin + path, accessToken });
  const credentials = [
    ['Authorization', `${scheme} ${accessToken}`],
    ['DPoP', proof],
  ];
  return { method, path, headers: [...credentials, ...headers], body };
}

const without = (name, request) => ({ ...request, headers: request.headers.filter(([given]) => given !== name) });
const only = (name, request) => ({ ...request, headers: request.headers.filter(([given]) => given === name) });

const OF_CREDENTIALS = [
  {
    name: 'no credentials',
    status: 401,
    write: async () => ({ path: THINGS_PATH }),
  },
  {
    name: 'a password',
    status: 401,
    write: async () => ({ path: THINGS_PATH, headers: [['Authorization', 'Basic dXNlcjpwYXNzd29yZA==']] }),
  },
  {
    name: 'a proof, but no token',
    status: 401,
    write: async (victim) => only('DPoP', await written(victim)),
  },
  {
    name: 'a bound token without a proof',
    status: 401,
    error: 'invalid_dpop_proof',
    write: async (victim) => without('DPoP', await written(victim)),
  },
  {
    name: 'a bound token sent as Bearer',
    status: 401,
    error: 'invalid_token',
    write: async (victim) => without('DPoP', await written(victim, { scheme: 'Bearer' })),
  },
  {
    name: 'a bound token sent as Bearer with its proof',
    status: 401,
    error: 'invalid_token',
    write: (victim) => written(victim, { scheme: 'Bearer' }),
  },
  {
    name: 'an unbound token under the DPoP scheme',
    status: 401,
    error: 'invalid_token',
    write: (victim) => written(victim, { accessToken: victim.unboundToken }),
  },
  {
    name: 'a stolen token with a good proof by the key of the thief',
    status: 401,
    error: 'invalid_token',
    write: async (victim) => written(victim, { key: await KeyPair.generate(victim.dpopKey.algorithm) }),
  },
  {
    name: 'a token in the query beside the one in the header',
    status: 400,
    error: 'invalid_request',
    write: (victim) => written(victim, { path: `${THINGS_PATH}?access_token=${victim.accessToken}` }),
  },
  {
    name: 'a token with something behind it',
    status: 400,
    error: 'invalid_request',
    write: (victim) => written(victim, { headers: [], accessToken: `${victim.accessToken} more` }),
  },
  {
    name: 'two proofs joined by a comma',
    status: 401,
    error: 'invalid_dpop_proof',
    write: (victim) =>
      written(victim, { make: async (...about) => `${await makeProof(...about)}, ${await makeProof(...about)}` }),
  },
  {
    name: 'a good token for a path that no route covers',
    status: 404,
    error: 'invalid_request',
    write: (victim) => written(victim, { path: '/elsewhere' }),
  },
  {
    name: 'a write with a token for reading',
    status: 403,
    error: 'insufficient_scope',
    write: (victim) => written(victim, { method: 'POST', body: '{}' }),
  },
];

/** Every row, with keys and tokens of this algorithm. */
export function attacks(algorithm) {
  const ofProofs = brokenProofs(algorithm).map(({ name, rule, make, errorAtResource: error }) => ({
    name: `a proof that ${name} (${rule})`,
    status: 401,
    error,
    write: (victim) => written(victim, { make }),
  }));
  const ofTokens = BROKEN_TOKENS.map(({ name, make }) => ({
    name: `a token that ${name}`,
    status: 401,
    error: 'invalid_token',
    write: async (victim) =>
      written(victim, { accessToken: await make(victim.accessToken, victim.signingKey) }),
  }));
  return [...OF_CREDENTIALS, ...ofTokens, ...ofProofs];
}
