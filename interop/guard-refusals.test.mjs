// What Keybound's guard refuses, and how it says so: the same in every face, exact to the letter through proxies that
// others wrote, and nothing of it reaches the API.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { answerOf } from './lib/answer.mjs';
import { attacks, written } from './lib/attacks.mjs';
import { openAuthorization } from './lib/authorization.mjs';
import { FACE_NAMES, identityIn, openFaces } from './lib/faces.mjs';
import { SCOPE } from './lib/provider.mjs';
import { send } from './lib/raw.mjs';

const [REFERENCE, ...BEHIND_PROXIES] = FACE_NAMES;
const POLICY = { accept_bearer_for_unbound_tokens: true };

for (const algorithm of ['ES256', 'RS256']) {
  describe(`with ${algorithm} keys and tokens`, () => {
    let authorization, tokens;
    let faces = {};

    before(async () => {
      authorization = await openAuthorization({
        ...{ tokenAlgorithm: algorithm, proofAlgorithm: algorithm, bound: false },
      });
      tokens = {
        accessToken: (await authorization.newClient().token(SCOPE)).access_token,
        unboundToken: (await authorization.newClient({ dpopKey: undefined }).token(SCOPE)).access_token,
      };
      faces = await openFaces({ authorization, policy: POLICY });
    });
    after(() => Promise.all([authorization, ...Object.values(faces)].map((server) => server?.close())));

    const victim = ({ origin }) => {
      const { dpopKey, signingKey } = authorization;
      return { origin, dpopKey, signingKey, ...tokens };
    };

    for (const name of FACE_NAMES) {
      test(`${name} admits what is good, and tells the API who it is`, async () => {
        const face = faces[name];
        const answer = await send(face.origin, await written(victim(face)));
        assert.equal(answer.status, 200, answer.body);
        const [request] = face.api.taken();
        assert.deepEqual(identityIn(request), {
          'x-keybound-subject': [authorization.clientId],
          'x-keybound-client-id': [authorization.clientId],
          'x-keybound-issuer': [authorization.issuer],
          'x-keybound-scope': [SCOPE],
          'x-keybound-thumbprint': [authorization.dpopKey.thumbprint],
        });
      });

      test(`${name} refuses a proof that was seen before (C1)`, async () => {
        const face = faces[name];
        const request = await written(victim(face));
        assert.equal((await send(face.origin, request)).status, 200);
        const replayed = await answerOf(face, request);
        assert.deepEqual([replayed.status, replayed.error], [401, 'invalid_dpop_proof']);
        assert.equal(face.api.taken().length, 1);
      });
    }

    for (const { name, status, error, write } of attacks(algorithm)) {
      test(`every face refuses ${name} by the same answer`, async () => {
        const refused = async (face) => {
          const answer = await answerOf(face, await write(victim(face)));
          assert.deepEqual(face.api.taken(), [], `${face.name} let it through`);
          return answer;
        };
        const expected = await refused(faces[REFERENCE]);
        assert.deepEqual([expected.status, expected.error], [status, error]);
        for (const other of BEHIND_PROXIES) assert.deepEqual(await refused(faces[other]), expected, other);
      });
    }
  });
}
