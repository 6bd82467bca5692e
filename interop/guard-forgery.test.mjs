// What a client writes into its request to be taken for someone else, or to have another request judged than the one
// that goes through: identity fields, what proxies say of a request, and spellings of paths. None of it changes the
// verdict in any face, and none of it reaches the API.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ADMIN_PATH, FACE_NAMES, identityIn, OPEN_PATH, openFaces, OTHER_ORIGIN } from './lib/faces.mjs';
import { answerOf } from './lib/answer.mjs';
import { THINGS_PATH } from './lib/api.mjs';
import { written } from './lib/attacks.mjs';
import { openAuthorization } from './lib/authorization.mjs';
import { proofParts, signProof } from './lib/proof.mjs';
import { SCOPE, WRITE_SCOPE } from './lib/provider.mjs';
import { send } from './lib/raw.mjs';

const IDENTITY = ['subject', 'client-id', 'issuer', 'scope', 'thumbprint'].map((name) => `X-Keybound-${name}`);

/** Ways to write a field's name that some server reads as the same. */
const SPELLINGS = {
  'as it is': (name) => name,
  'in capitals': (name) => name.toUpperCase(),
  'with underscores': (name) => name.replaceAll('-', '_'),
  'with one underscore in front': (name) => name.replace('-', '_'),
  'with one underscore behind': (name) => name.replace(/-(?=[^-]*$)/, '_'),
};

/** What a proxy may say of a request, said by the client. */
const FORWARDING = [
  [['X-Forwarded-Host', new URL(OTHER_ORIGIN).host]],
  [['X-Forwarded-Proto', 'https']],
  [['X-Forwarded-Port', '443']],
  [['X-Forwarded-Prefix', '/elsewhere']],
  [['X-Forwarded-For', '127.0.0.1']],
  [['X-Real-IP', '127.0.0.1']],
  [['Forwarded', `for=127.0.0.1;proto=http;host=${new URL(OTHER_ORIGIN).host}`]],
  [['X-Forwarded-Uri', OPEN_PATH]],
  [['X-Forwarded-Method', 'GET']],
  [
    ['X-Forwarded-Host', new URL(OTHER_ORIGIN).host],
    ['X-Forwarded-Uri', OPEN_PATH],
    ['X-Forwarded-Method', 'GET'],
  ],
  [
    ['X-Original-URI', OPEN_PATH],
    ['X-Original-URL', OTHER_ORIGIN + OPEN_PATH],
    ['X-Original-Method', 'GET'],
    ['X-Original-Host', new URL(OTHER_ORIGIN).host],
  ],
  [
    ['X-Rewrite-URL', OPEN_PATH],
    ['X-HTTP-Method-Override', 'GET'],
    ['X-Envoy-Original-Path', OPEN_PATH],
    ['X-Accel-Redirect', OPEN_PATH],
  ],
].map((headers) => ({ headers, name: headers.map(([name]) => name).join(', ') }));

/** What frameworks obey in place of the method and the path that a request has. */
const OVERRIDES = [
  ['X-Original-URL', `${ADMIN_PATH}/users`],
  ['X-Rewrite-URL', `${ADMIN_PATH}/users`],
  ['X-HTTP-Method-Override', 'DELETE'],
  ['X-HTTP-Method', 'DELETE'],
  ['X-Method-Override', 'DELETE'],
];

/** Paths that lead to the administrator's side for a server that reads them so. */
const CROOKED_PATHS = [
  `${THINGS_PATH}/../../admin/users`,
  `${THINGS_PATH}/%2e%2e/%2E%2E/admin/users`,
  `${THINGS_PATH}/..%2f..%2fadmin/users`,
  `${THINGS_PATH}/..%5c..%5cadmin/users`,
  `${THINGS_PATH}/..;/..;/admin/users`,
  `${THINGS_PATH}/.//..//../admin/users`,
  '//admin/users',
  '/./admin/users',
  '/%61dmin/users',
  '/admin%2Fusers',
  '/admin%00/users',
  '/ADMIN/../admin/users',
];

let authorization, accessToken;
let faces = {};
before(async () => {
  authorization = await openAuthorization({ tokenAlgorithm: 'ES256', proofAlgorithm: 'ES256' });
  ({ access_token: accessToken } = await authorization.newClient().token(`${SCOPE} ${WRITE_SCOPE}`));
  faces = await openFaces({ authorization, otherOrigins: [OTHER_ORIGIN] });
});
after(() => Promise.all([authorization, ...Object.values(faces)].map((server) => server?.close())));

const holder = (origin) => ({ origin, accessToken, dpopKey: authorization.dpopKey });
const provingFor = (htu) => (key, request) => {
  const { header, claims } = proofParts(key, request);
  return signProof({ header, claims: { ...claims, htu } }, key);
};
const withFields = (request, headers) => ({ ...request, headers: [...(request.headers ?? []), ...headers] });

for (const name of FACE_NAMES) {
  describe(name, () => {
    let face;
    before(() => (face = faces[name]));

    for (const [spelling, spelt] of Object.entries(SPELLINGS)) {
      const forged = IDENTITY.flatMap((field) => ['admin', 'root'].map((value) => [spelt(field), value]));

      test(`tells the API who it is, not what a client writes ${spelling}`, async () => {
        const request = await written(holder(face.origin));
        const { status } = await send(face.origin, withFields(request, forged));
        const taken = face.api.taken();
        if (mayRefuse(name, spelling) && taken.length === 0) return assert.equal(status, 400);
        assert.deepEqual([status, taken.length], [200, 1]);
        assert.deepEqual(identityIn(taken[0]), {
          'x-keybound-subject': [authorization.clientId],
          'x-keybound-client-id': [authorization.clientId],
          'x-keybound-issuer': [authorization.issuer],
          'x-keybound-scope': [`${SCOPE} ${WRITE_SCOPE}`],
          'x-keybound-thumbprint': [authorization.dpopKey.thumbprint],
        });
      });

      test(`tells the API of nobody where no token is needed, whatever a client writes ${spelling}`, async () => {
        const { status } = await send(face.origin, { path: OPEN_PATH, headers: forged });
        const taken = face.api.taken();
        if (mayRefuse(name, spelling) && taken.length === 0) return assert.equal(status, 400);
        assert.deepEqual([status, taken.length], [200, 1]);
        assert.deepEqual(identityIn(taken[0]), {});
      });
    }

    for (const { name: fields, headers } of FORWARDING) {
      test(`judges what was sent, whatever a client writes into ${fields}`, async () => {
        const good = await written(holder(face.origin), { method: 'POST', body: '{}' });
        assert.equal((await send(face.origin, withFields(good, headers))).status, 200);
        assert.deepEqual(
          face.api.taken().map(({ method, target, body }) => [method, target, body]),
          [['POST', THINGS_PATH, '{}']],
        );

        const ofOtherHost = await written(holder(OTHER_ORIGIN), { method: 'POST', body: '{}' });
        await assertRefused(face, withFields(ofOtherHost, headers), 'invalid_dpop_proof');
        const ofOtherMethod = await written(holder(face.origin), { method: 'GET' });
        await assertRefused(face, { ...withFields(ofOtherMethod, headers), method: 'POST' }, 'invalid_dpop_proof');
        const ofOtherPath = await written(holder(face.origin), { path: OPEN_PATH });
        await assertRefused(face, { ...withFields(ofOtherPath, headers), path: THINGS_PATH }, 'invalid_dpop_proof');
        await assertRefused(face, withFields({ path: THINGS_PATH }, headers), undefined);
      });
    }

    for (const spelling of ['as it is', 'with underscores']) {
      const overrides = OVERRIDES.map(([field, value]) => [SPELLINGS[spelling](field), value]);

      test(`asks the API for nothing else than was judged, by fields written ${spelling}`, async () => {
        const { status } = await send(face.origin, { path: OPEN_PATH, headers: overrides });
        const taken = face.api.taken();
        if (mayRefuse(name, spelling) && taken.length === 0) return assert.equal(status, 400);
        assert.deepEqual([status, taken.length], [200, 1]);
        const names = overrides.map(([field]) => field.toLowerCase());
        assert.deepEqual(taken[0].headers.filter(([field]) => names.includes(field.toLowerCase())), []);
      });
    }

    for (const path of CROOKED_PATHS) {
      test(`lets nobody get to ${ADMIN_PATH} by ${path}`, async () => {
        const crooked = face.origin + path;
        for (const htu of [crooked, new URL(crooked).href, face.origin + THINGS_PATH]) {
          const { status } = await send(face.origin, await written(holder(face.origin), { path, make: provingFor(htu) }));
          assert.deepEqual([status === 200, face.api.taken()], [false, []]);
        }
      });
    }
  });
}

/** A proxy may refuse names with underscores altogether, as Envoy is told to. */
const mayRefuse = (name, spelling) => name.includes('Envoy') && spelling.includes('underscore');

async function assertRefused(face, request, error) {
  const answer = await answerOf(face, request);
  assert.deepEqual([answer.status, answer.error], [401, error]);
  assert.deepEqual(face.api.taken(), []);
}
