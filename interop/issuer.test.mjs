// Any issuer: oidc-provider with its token endpoint where no Okta has one. `keybound token`, `api` and `proxy` know its
// issuer alone, find the rest in its metadata, and call a resource guarded by jose with its tokens; no org is set.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as jose from 'jose';
import { KeyPair } from './lib/keys.mjs';
import { Workspace, firstLine } from './lib/program.mjs';
import { SCOPE } from './lib/provider.mjs';
import { THINGS, THINGS_PATH } from './lib/resource.mjs';
import { openService } from './lib/service.mjs';

const CLIENT_ID = 'keybound';
const SECRETS = [
  { clientId: 'by-header', secret: 'not:a secret%+outside-of-this-suite', method: 'client_secret_basic' },
  { clientId: 'by-form', secret: 'not&a=secret%+outside of this suite', method: 'client_secret_post' },
];
const TOKEN_PATH = '/connect/token';
const METADATA_PATH = '/.well-known/oauth-authorization-server';

describe('with tokens of an issuer that is not Okta', () => {
  let workspace, service, dpopKey, environment;

  before(async () => {
    workspace = await Workspace.create();
    const clientKey = await KeyPair.generate('ES256');
    dpopKey = await KeyPair.generate('ES256');
    service = await openService({
      clientId: CLIENT_ID,
      clientKey,
      clientsWithSecret: SECRETS,
      tokenAlgorithm: 'ES256',
      tokenPath: TOKEN_PATH,
    });
    environment = {
      OKTA_CLIENT_ID: CLIENT_ID,
      OKTA_SCOPES: SCOPE,
      OKTA_CC_PRIVATE_KEY_FILE: await clientKey.writePrivatePem(workspace.path('cc_private_key.pem')),
      OKTA_DPOP_PRIVATE_KEY_FILE: await dpopKey.writePrivatePem(workspace.path('dpop_private_key.pem')),
    };
  });
  after(() => service?.close());

  const run = (args, more = {}) => workspace.run(args, { environment: { ...environment, ...more } });
  const assertion = ({ request }) => jose.decodeJwt(new URLSearchParams(request.body).get('client_assertion'));

  test('`keybound token --issuer` finds the token endpoint and gets a token that is bound to the key', async () => {
    const { code, stdout, stderr } = await run(['token', '--issuer', service.origin]);
    assert.equal(code, 0, stderr);
    const { iss, cnf, scope } = jose.decodeJwt(stdout.trim());
    assert.deepEqual([iss, cnf.jkt, scope], [service.origin, dpopKey.thumbprint, SCOPE]);
    assert.equal(service.wire.to(METADATA_PATH).length, 1);
    assert.deepEqual(statuses(service.wire.to(TOKEN_PATH)), [400, 200]);
    assert.equal(assertion(service.wire.to(TOKEN_PATH).at(-1)).aud, service.origin);
  });

  test('`keybound api` calls the whole URL and follows its pages, with the token that was kept', async () => {
    const asked = service.wire.to(TOKEN_PATH).length;
    const things = `${service.origin}${THINGS_PATH}?limit=2`;
    const { code, stdout, stderr } = await run(['api', things, '--paginate'], { OKTA_OAUTH2_ISSUER: service.origin });
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), THINGS);
    assert.equal(service.wire.to(TOKEN_PATH).length, asked);
    assert.equal(service.wire.to(METADATA_PATH).length, 1);
  });

  test('an assertion may be for the token endpoint too, and a resource may be named', async () => {
    const args = ['token', '--issuer', service.origin, '--no-cache', '--resource', `${service.origin}/api`];
    const { code, stderr } = await run(args, { KEYBOUND_ASSERTION_AUDIENCE: 'token-endpoint' });
    assert.equal(code, 0, stderr);
    const asked = service.wire.to(TOKEN_PATH).at(-1);
    assert.equal(assertion(asked).aud, service.origin + TOKEN_PATH);
    assert.equal(new URLSearchParams(asked.request.body).get('resource'), `${service.origin}/api`);
  });

  for (const { clientId, secret, method } of SECRETS) {
    test(`a client with a secret gets a bound token, and calls with it (${method})`, async () => {
      const withSecret = (value) => ({
        OKTA_CLIENT_ID: clientId,
        OKTA_CC_PRIVATE_KEY_FILE: '',
        OKTA_CLIENT_SECRET: value,
        // The server takes both, each client one; without the setting it is the header.
        KEYBOUND_TOKEN_ENDPOINT_AUTH_METHOD: method === 'client_secret_post' ? method : '',
      });
      const args = ['--issuer', service.origin, '--no-cache'];
      const { code, stdout, stderr } = await run(['token', ...args], withSecret(secret));
      assert.equal(code, 0, stderr);
      const { cnf, client_id } = jose.decodeJwt(stdout.trim());
      assert.deepEqual([cnf.jkt, client_id], [dpopKey.thumbprint, clientId]);
      const { headers, body } = service.wire.to(TOKEN_PATH).at(-1).request;
      assert.equal('authorization' in headers, method === 'client_secret_basic');
      assert.equal(new URLSearchParams(body).has('client_secret'), method === 'client_secret_post');

      const called = await run(['api', `${service.origin}${THINGS_PATH}`, ...args], withSecret(secret));
      assert.equal(called.code, 0, called.stderr);
      const refused = await run(['token', ...args], withSecret('another'));
      assert.equal(refused.code, 7, refused.stderr);
      assert.match(refused.stderr, /invalid_client/);
      assert.ok(![secret, 'another'].some((value) => refused.stderr.includes(value)));
    });
  }

  test('`keybound proxy` lends it to a program without DPoP', async () => {
    const child = workspace.start(
      ['proxy', '--listen', '127.0.0.1:0', '--issuer', service.origin, '--to', service.origin],
      { environment },
    );
    const proxy = await firstLine(child);
    const headers = { authorization: `Bearer ${proxy.secret}` };
    const answer = await fetch(new URL(THINGS_PATH, proxy.url), { headers });
    child.kill();
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), THINGS.slice(0, 2));
  });
});

const statuses = (exchanges) => exchanges.map(({ response }) => response.status);
