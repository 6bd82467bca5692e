// `keybound login` at an authorization server written in C by others: code, PKCE, DPoP with a nonce that changes, an ID
// token, and a public client that the server's metadata does not speak of.

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { CLIENT_ID, SCOPE, USERINFO_PATH, startGlewlwyd } from './lib/glewlwyd.mjs';
import { Workspace, freePort } from './lib/program.mjs';

let server, workspace, port;
before(async () => {
  workspace = await Workspace.create();
  port = await freePort();
  server = await startGlewlwyd({ redirectUri: `http://127.0.0.1:${port}/callback` });
});
after(() => server?.stop());

test('keybound login has a user of glewlwyd let it act, and calls and refreshes with bound tokens', async () => {
  const connection = ['--org-url', server.origin, '--client-id', CLIENT_ID];
  const flags = ['--issuer', server.issuer, '--scope', SCOPE, '--no-browser', '--port', String(port)];
  const login = await loggedIn(workspace.start(['login', ...connection, ...flags]));
  assert.deepEqual([login.issuer, login.client_id], [server.issuer, CLIENT_ID]);

  // The first call is with the token that came with the login, the second with a refreshed one.
  for (const more of [[], ['--no-cache']]) {
    const claims = await workspace.json(['api', USERINFO_PATH, '--as-user', ...connection, ...more]);
    assert.equal(claims.sub, login.subject);
  }
});

/** What `keybound login` printed at its end, after its user went where it said. */
async function loggedIn(child) {
  const [line] = await Promise.all([text(child.stdout), approved(child)]);
  assert.ok(line, child.complaints);
  return JSON.parse(line);
}

async function approved(child) {
  for await (const line of createInterface({ input: child.stderr })) {
    const [url] = /http:\S+\/auth\?\S+/.exec(line) ?? [];
    if (url) await fetch(await server.approve(url));
  }
}
