// Pages of other origins, as browsers ask for them (CORS), through each face: who answers a preflight, who may read an
// answer, and that neither gets anybody past the guard. The proxies answer by the settings that the documents give.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { THINGS_PATH } from './lib/api.mjs';
import { written } from './lib/attacks.mjs';
import { openAuthorization } from './lib/authorization.mjs';
import { FACE_NAMES, openFace } from './lib/faces.mjs';
import { makeProof } from './lib/proof.mjs';
import { SCOPE } from './lib/provider.mjs';
import { send, valuesOf } from './lib/raw.mjs';

/** The page that the documents name. */
const PAGE = 'https://app.example.com';

const STRANGERS = [
  ...['null', 'https://app.example.com.evil.example', 'https://evil-app.example.com', 'https://sub.app.example.com'],
  ...['http://app.example.com', 'https://app.example.com:8443', 'https://app.example.com/', '*', 'https://example.com'],
  ...['https://app.example.com https://evil.example', 'https://app.example.com, https://evil.example'],
];

/** A guard before which nothing else stands answers browsers itself. */
const POLICIES = { 'the reverse proxy': { cors: { allowed_origins: [PAGE] } } };

let authorization, accessToken;
before(async () => {
  authorization = await openAuthorization({ tokenAlgorithm: 'ES256', proofAlgorithm: 'ES256' });
  ({ access_token: accessToken } = await authorization.newClient().token(SCOPE));
});
after(() => authorization?.close());

const words = (answer, name) =>
  valuesOf(answer, name)
    .flatMap((value) => value.split(','))
    .map((word) => word.trim().toLowerCase());

const preflight = (origin) => ({
  ...{ method: 'OPTIONS', path: THINGS_PATH },
  headers: [
    ['Origin', origin],
    ['Access-Control-Request-Method', 'DELETE'],
    ['Access-Control-Request-Headers', 'authorization,dpop'],
  ],
});

for (const name of FACE_NAMES) {
  describe(`before ${name}`, () => {
    let face;
    before(async () => {
      const policy = { ...POLICIES[name], nonces: { required: 'always' } };
      face = await openFace(name, { authorization, policy });
    });
    after(() => face?.close());

    const good = async (nonce, headers) => {
      const make = (key, request) => makeProof(key, { ...request, nonce });
      return written({ origin: face.origin, accessToken, dpopKey: authorization.dpopKey }, { make, headers });
    };

    test('a page that is named may send a token and a proof, and its preflight does not reach the API', async () => {
      const answer = await send(face.origin, preflight(PAGE));
      assert.ok([200, 204].includes(answer.status), `it is answered with ${answer.status}`);
      assert.deepEqual(valuesOf(answer, 'access-control-allow-origin'), [PAGE]);
      for (const field of ['authorization', 'dpop', 'content-type']) {
        assert.ok(words(answer, 'access-control-allow-headers').includes(field), field);
      }
      assert.ok(words(answer, 'access-control-allow-methods').includes('delete'));
      assert.deepEqual(face.api.taken(), []);
    });

    for (const origin of STRANGERS) {
      test(`a page of ${origin} may not, and reads nothing`, async () => {
        for (const request of [preflight(origin), { path: THINGS_PATH, headers: [['Origin', origin]] }]) {
          const answer = await send(face.origin, request);
          // The policy has no route for OPTIONS, where it is judged as any request.
          assert.ok([401, 403, 404].includes(answer.status), `it is answered with ${answer.status}`);
          assert.deepEqual(valuesOf(answer, 'access-control-allow-origin'), []);
          assert.deepEqual(valuesOf(answer, 'access-control-allow-headers'), []);
        }
        assert.deepEqual(face.api.taken(), []);
      });
    }

    test('OPTIONS that is no preflight is judged as any request', async () => {
      const [origin, asked] = preflight(PAGE).headers;
      for (const headers of [[], [origin], [asked]]) {
        // The policy has no route for the method.
        const { status } = await send(face.origin, { method: 'OPTIONS', path: THINGS_PATH, headers });
        assert.equal(status, 404, JSON.stringify(headers));
      }
      const { status } = await send(face.origin, { path: THINGS_PATH, headers: [origin, asked] });
      assert.equal(status, 401, 'nor is GET one');
      assert.deepEqual(face.api.taken(), []);
    });

    test('a page that is named reads the challenge and its nonce, and then the answer', async () => {
      const page = [['Origin', PAGE]];
      const refused = await send(face.origin, await good(undefined, page));
      const admitted = await send(face.origin, await good(valuesOf(refused, 'dpop-nonce')[0], page));
      assert.deepEqual([refused.status, admitted.status], [401, 200]);
      for (const answer of [refused, admitted]) {
        assert.deepEqual(valuesOf(answer, 'access-control-allow-origin'), [PAGE]);
        assert.ok(words(answer, 'access-control-expose-headers').includes('dpop-nonce'));
        assert.ok(words(answer, 'vary').includes('origin'), JSON.stringify(answer.headers));
      }
      assert.ok(words(refused, 'access-control-expose-headers').includes('www-authenticate'));
      assert.equal(face.api.taken().length, 1);
    });
  });
}
