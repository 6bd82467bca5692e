// Glewlwyd, an authorization server written in C by others, as Debian has it: with DPoP and a nonce in every proof. Its
// endpoints lie where Okta's org has them, so that its userinfo endpoint is a resource that `keybound api` can call.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as jose from 'jose';
import { KeyPair } from './keys.mjs';
import { Workspace, freePort } from './program.mjs';
import { serving } from './proxies.mjs';

export const USERINFO_PATH = '/oauth2/v1/userinfo';
export const SCOPE = 'things.read';
export const CLIENT_ID = 'keybound';

const TABLES = '/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3';
const LIBRARIES = '/usr/lib/glewlwyd';

/** Who may do everything in a new database. */
const ADMINISTRATOR = { username: 'admin', password: 'password' };
const USER = { username: 'ada', password: 'Correct-Horse-9' };

/** Starts it with one public client, which has this redirect URI, and one user, who has let the client act. */
export async function startGlewlwyd({ redirectUri }) {
  const workspace = await Workspace.create();
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const makingTables = workspace.startOther('sqlite3', [workspace.path('glewlwyd.db'), `.read ${TABLES}`]);
  assert.deepEqual(await once(makingTables, 'close'), [0, null], makingTables.complaints);
  const file = await workspace.write('glewlwyd.conf', configuration(workspace, origin));
  const { stop } = await serving(port, workspace, 'glewlwyd', [`--config-file=${file}`]);
  try {
    const administrator = await signedIn(origin, ADMINISTRATOR);
    await administrator.post('/mod/plugin/', {
      ...{ module: 'oidc', name: 'v1', display_name: 'Okta', parameters: await parameters(`${origin}/oauth2/v1`) },
    });
    await administrator.post('/scope/', { name: SCOPE, password_required: false, scheme: {} });
    await administrator.post('/client/', {
      ...{ client_id: CLIENT_ID, enabled: true, confidential: false, scope: ['openid', SCOPE] },
      ...{ redirect_uri: [redirectUri], authorization_type: ['code', 'refresh_token'] },
      token_endpoint_auth_method: ['none'],
    });
    await administrator.post('/user/', { ...USER, enabled: true, scope: ['openid', SCOPE] });
    const user = await signedIn(origin, USER);
    await user.put(`/auth/grant/${CLIENT_ID}`, { scope: `openid ${SCOPE}` });
    return { origin, issuer: `${origin}/oauth2/v1`, approve: user.approve, stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}

/** What somebody can do who has signed in: its own pages need a browser with JavaScript, the calls behind them do not. */
async function signedIn(origin, who) {
  let cookie;
  const call = async (method, path, body) => {
    const headers = { 'content-type': 'application/json', ...(cookie && { cookie }) };
    const options = { method, headers, body: JSON.stringify(body) };
    const response = await fetch(`${origin}/oauth2${path}`, options);
    assert.equal(response.status, 200, `${method} ${path}: ${await response.text()}`);
    return response;
  };
  const [set] = (await call('POST', '/auth/', who)).headers.getSetCookie();
  cookie = set.split(';')[0];
  return {
    post: (path, body) => call('POST', path, body),
    put: (path, body) => call('PUT', path, body),
    /** Follows an authorization request; returns where the user is sent. */
    approve: async (url) => {
      const response = await fetch(`${url}&g_continue`, { headers: { cookie }, redirect: 'manual' });
      return response.headers.get('location');
    },
  };
}

const configuration = (workspace, origin) => `
port = ${new URL(origin).port}
bind_address = "127.0.0.1"
external_url = "${origin}"
api_prefix = "oauth2"
login_url = "login.html"
log_mode = "console"
log_level = "WARNING"
cookie_domain = "localhost"
cookie_secure = 0
session_key = "session"
session_expiration = 3600
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "${LIBRARIES}/user"
user_middleware_module_path = "${LIBRARIES}/user"
client_module_path = "${LIBRARIES}/client"
user_auth_scheme_module_path = "${LIBRARIES}/scheme"
plugin_module_path = "${LIBRARIES}/plugin"
hash_algorithm = "SHA512"
database = { type = "sqlite3"; path = "${workspace.path('glewlwyd.db')}"; };
`;

/** Without pushed requests: this version answers those without a nonce by 403, and gives none. */
async function parameters(iss) {
  const key = await KeyPair.generate('RS256');
  return {
    ...{ iss, 'jwt-type': 'rsa', 'jwt-key-size': '256' },
    ...{ key: await jose.exportPKCS8(key.privateKey), cert: await jose.exportSPKI(key.publicKey) },
    ...{ 'access-token-duration': 3600, 'refresh-token-duration': 3600, 'code-duration': 60 },
    ...{ 'refresh-token-rolling': true, 'refresh-token-one-use': 'always', 'allow-non-oidc': true },
    ...{ 'auth-type-code-enabled': true, 'auth-type-refresh-enabled': true, 'auth-type-id-token-enabled': true },
    ...{ 'pkce-allowed': true, 'pkce-required': true, 'pkce-method-plain-allowed': false },
    ...{ 'oauth-dpop-allowed': true, 'oauth-dpop-iat-duration': 60, 'oauth-dpop-iat-gap-duration': 5 },
    ...{ 'oauth-dpop-nonce-mandatory': true, 'oauth-dpop-nonce-counter': 5, 'oauth-as-iss-id': true },
    ...{ 'subject-type': 'public', 'jwks-show': true },
  };
}
