// What is not wrong with a request but is in its way: a key that has used up its quota, and a replay store that is down.
// The client is told to come back, by the same answer in every face, and nothing reaches the API.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { answerOf } from './lib/answer.mjs';
import { written } from './lib/attacks.mjs';
import { openAuthorization } from './lib/authorization.mjs';
import { FACE_NAMES, openFaces } from './lib/faces.mjs';
import { freePort } from './lib/program.mjs';
import { SCOPE } from './lib/provider.mjs';
import { send } from './lib/raw.mjs';

const [REFERENCE, ...BEHIND_PROXIES] = FACE_NAMES;

const OVER_HTTP = 'ext_authz over HTTP behind Envoy';

/** Live proofs of a key. */
const QUOTA = 2;

let authorization, accessToken;
before(async () => {
  authorization = await openAuthorization({ tokenAlgorithm: 'ES256', proofAlgorithm: 'ES256' });
  ({ access_token: accessToken } = await authorization.newClient().token(SCOPE));
});
after(() => authorization?.close());

const newRequest = ({ origin }) => written({ origin, accessToken, dpopKey: authorization.dpopKey });

/** What a client is told in each face, and that it is told the same. */
function tellsEveryClient({ status, description, policy, first = async () => {}, differently = {} }) {
  let faces = {};
  let expected;
  before(async () => {
    faces = await openFaces({ authorization, policy: await policy() });
    await Promise.all(Object.values(faces).map(first));
    expected = await answerOf(faces[REFERENCE], await newRequest(faces[REFERENCE]));
  });
  after(() => Promise.all(Object.values(faces).map((face) => face.close())));

  test(`${REFERENCE} says so, when to come back, and asks for no other credentials`, () => {
    const { 'www-authenticate': challenge, 'retry-after': retryAfter } = expected.fields;
    assert.deepEqual([expected.status, expected.error, challenge], [status, 'temporarily_unavailable', '']);
    assert.match(retryAfter, /^\d+$/);
    const [type, body] = expected.content;
    assert.equal(type, 'application/json');
    assert.match(JSON.parse(body).error_description, description);
    assert.deepEqual(faces[REFERENCE].api.taken(), []);
  });

  for (const name of BEHIND_PROXIES) {
    test(`${name} says ${differently[name] ? 'the status' : 'the same'}`, async () => {
      const answer = await answerOf(faces[name], await newRequest(faces[name]));
      assert.deepEqual(answer, differently[name] ?? expected);
      assert.deepEqual(faces[name].api.taken(), []);
    });
  }
}

describe('a key that has used up its quota', () => {
  tellsEveryClient({
    ...{ status: 429, description: /proofs/ },
    policy: async () => ({ replay: { quota_per_key: QUOTA } }),
    first: async (face) => {
      for (let request = 0; request < QUOTA; request++) {
        assert.equal((await send(face.origin, await newRequest(face))).status, 200);
      }
      assert.equal(face.api.taken().length, QUOTA);
    },
  });
});

describe('a replay store that is down', () => {
  tellsEveryClient({
    ...{ status: 503, description: /used before/ },
    policy: async () => ({ replay: { store: 'redis', urls: [`redis://127.0.0.1:${await freePort()}`] } }),
    // Envoy takes 503 for a failure of the guard, as docs/envoy.md says.
    differently: {
      [OVER_HTTP]: {
        ...{ status: 503, error: undefined, nonces: 0, content: '' },
        fields: {
          ...{ 'www-authenticate': '', 'cache-control': '', 'retry-after': '', 'access-control-expose-headers': '' },
        },
      },
    },
  });
});
