// Keybound's guard before an API, between clients and an authorization server that we did not write: `oauth4webapi` and
// `dpop` get in with key-bound tokens of oidc-provider, through each face and with every kind of token.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as dpop from 'dpop';
import { THINGS, THINGS_PATH } from './lib/api.mjs';
import { openAuthorization } from './lib/authorization.mjs';
import { FACE_NAMES, openFaces } from './lib/faces.mjs';
import { INTROSPECTION_PATH, INTROSPECTOR, KEYS_PATH, SCOPE } from './lib/provider.mjs';

/** How the guard is told to verify tokens, and what it then asks the authorization server for. */
const KINDS = [
  { kind: 'RS256 JWTs', tokenAlgorithm: 'RS256', asked: KEYS_PATH },
  { kind: 'ES256 JWTs', tokenAlgorithm: 'ES256', asked: KEYS_PATH },
  { kind: 'EdDSA JWTs', tokenAlgorithm: 'EdDSA', asked: KEYS_PATH },
  {
    ...{ kind: 'opaque tokens', tokenAlgorithm: 'ES256', tokenFormat: 'opaque', asked: INTROSPECTION_PATH },
    ofIssuer: { introspection: { client_id: INTROSPECTOR.clientId, client_secret_file: 'client-secret' } },
  },
];

for (const { kind, tokenAlgorithm, tokenFormat, ofIssuer, asked } of KINDS) {
  for (const required of ['never', 'always']) {
    describe(`with ${kind}, and nonces required ${required},`, () => {
      let authorization;
      let faces = {};

      before(async () => {
        authorization = await openAuthorization({ tokenAlgorithm, tokenFormat, proofAlgorithm: tokenAlgorithm });
        const policy = { nonces: { required } };
        faces = await openFaces({ authorization, policy, ofIssuer });
      });
      after(() => Promise.all([authorization, ...Object.values(faces)].map((server) => server?.close())));

      for (const name of FACE_NAMES) {
        test(`oauth4webapi calls the API through ${name}`, async () => {
          const { origin, api } = faces[name];
          const responses = [];
          const client = authorization.newClient({ fetch: keeping(responses) });
          const { access_token: accessToken } = await client.token(SCOPE);
          responses.length = 0;

          for (let call = 0; call < 3; call++) {
            const response = await client.call(accessToken, `${origin}${THINGS_PATH}?limit=${call}`);
            assert.deepEqual(await response.json(), THINGS);
          }
          // Challenged once: the answers that let in bring the nonce for the next proof (RFC 9449 section 8.2).
          const statuses = responses.map(({ status }) => status);
          const given = responses.map(({ headers }) => headers.has('dpop-nonce'));
          if (required === 'always') {
            assert.deepEqual(statuses, [401, 200, 200, 200]);
            assert.deepEqual(given, [true, true, true, true]);
          } else {
            assert.deepEqual(statuses, [200, 200, 200]);
            assert.deepEqual(given, [false, false, false]);
          }
          assert.deepEqual(
            api.taken().map(({ method, target }) => [method, target]),
            [0, 1, 2].map((call) => ['GET', `${THINGS_PATH}?limit=${call}`]),
          );
        });

        test(`dpop calls the API through ${name}`, async () => {
          const { origin, api } = faces[name];
          const pair = await dpop.generateKeyPair(nameByRfc9864(tokenAlgorithm));
          const client = authorization.newClient({ dpopKey: pair });
          const { access_token: accessToken } = await client.token(SCOPE);

          const url = origin + THINGS_PATH;
          const call = async (nonce) => {
            const proof = await dpop.generateProof(pair, url, 'DELETE', nonce, accessToken);
            return fetch(url, { method: 'DELETE', headers: { authorization: `DPoP ${accessToken}`, dpop: proof } });
          };
          let response = await call();
          if (required === 'always') {
            assert.equal(response.status, 401);
            response = await call(response.headers.get('dpop-nonce'));
          }
          assert.equal(response.status, 200);
          assert.deepEqual(await response.json(), THINGS);
          assert.equal(api.taken().length, 1);
        });
      }

      test('each guard asked the authorization server once for what it has to know', () => {
        const paths = authorization.wire.exchanges.map(({ request }) => request.target);
        const times = paths.filter((path) => path === asked).length;
        const tokens = 2; // for each face, one by each client
        assert.equal(times, asked === KEYS_PATH ? FACE_NAMES.length : FACE_NAMES.length * tokens);
      });
    });
  }
}

const nameByRfc9864 = (algorithm) => (algorithm === 'EdDSA' ? 'Ed25519' : algorithm);

/** A fetch that keeps each response. */
const keeping = (responses) => async (target, init) => {
  const response = await fetch(target, init);
  responses.push(response.clone());
  return response;
};
