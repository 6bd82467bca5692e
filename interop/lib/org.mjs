// Keybound's local org, started as a user would, on a free loopback port.

import { endOf, firstLine, Workspace } from './program.mjs';

export const USERS_PATH = '/api/v1/users';
export const SCOPE = 'okta.users.read';

export class Org {
  #workspace;
  #child;
  #apps = 0;

  /** Starts an org with 200 made-up users; over https unless `http`; `flags` are further ones of `org start`. */
  static async start({ http = true, flags = [] } = {}) {
    const org = new Org();
    org.#workspace = await Workspace.create();
    org.#child = org.#workspace.start([
      ...['org', 'start', '--listen', '127.0.0.1:0', '--data', org.#workspace.path('data')],
      ...(http ? ['--http'] : []),
      ...flags,
    ]);
    try {
      const line = await firstLine(org.#child);
      const { url, ca_file: authority, admin_token: adminToken, console_url: consoleUrl } = line;
      return Object.assign(org, { url, authority, adminToken, consoleUrl });
    } catch (cause) {
      await org.stop();
      throw cause;
    }
  }

  /** Registers a service app while the org runs; returns its client id. */
  async createApp({ key, dpop = 'required', scopes = [SCOPE], role = 'READ_ONLY_ADMIN' }) {
    const label = `app ${++this.#apps}`;
    const jwk = await key.writePublicJwk(this.#workspace.path(`${label}.json`));
    const { client_id: clientId } = await this.#workspace.json([
      ...['org', 'app', 'create', '--data', this.#workspace.path('data'), '--label', label, '--public-jwk', jwk],
      ...scopes.flatMap((scope) => ['--scope', scope]),
      ...['--role', role, '--dpop', dpop],
    ]);
    return clientId;
  }

  /** What it has logged so far. */
  get log() {
    return this.#child.complaints;
  }

  /** Registers a native app, public and with loopback redirect URIs; returns its client id. */
  async createNativeApp({ scopes = [SCOPE] } = {}) {
    const { client_id: clientId } = await this.#workspace.json([
      ...['org', 'app', 'create', '--data', this.#workspace.path('data'), '--label', `app ${++this.#apps}`],
      ...['--type', 'native', '--redirect-uri', 'http://127.0.0.1/callback'],
      ...scopes.flatMap((scope) => ['--scope', scope]),
    ]);
    return clientId;
  }

  /** Registers a single-page app; returns its client id. */
  async createBrowserApp({ redirectUris, scopes = [] }) {
    const { client_id: clientId } = await this.#workspace.json([
      ...['org', 'app', 'create', '--data', this.#workspace.path('data'), '--label', `app ${++this.#apps}`],
      ...['--type', 'browser'],
      ...redirectUris.flatMap((uri) => ['--redirect-uri', uri, '--post-logout-redirect-uri', uri]),
      ...scopes.flatMap((scope) => ['--scope', scope]),
    ]);
    return clientId;
  }

  /** Registers a web app, which has a secret and no key and asks for Bearer tokens; returns its id and secret. */
  async createWebApp({ redirectUri }) {
    const { client_id: clientId, client_secret: clientSecret } = await this.#workspace.json([
      ...['org', 'app', 'create', '--data', this.#workspace.path('data'), '--label', `app ${++this.#apps}`],
      ...['--type', 'web', '--redirect-uri', redirectUri, '--dpop', 'off'],
    ]);
    return { clientId, clientSecret };
  }

  /** Adds an active user with a password and an admin role; returns the id. */
  async createUser({ login, password, role = 'READ_ONLY_ADMIN' }) {
    const user = await this.#administer(`${USERS_PATH}?activate=true`, {
      profile: { firstName: 'Ada', lastName: 'Lovelace', email: login, login },
      credentials: { password: { value: password } },
    });
    await this.#administer(`${USERS_PATH}/${user.id}/roles`, { type: role });
    return user.id;
  }

  async #administer(path, body) {
    const headers = { authorization: `SSWS ${this.adminToken}`, 'content-type': 'application/json' };
    const response = await fetch(`${this.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return response.json();
  }

  stop() {
    return endOf(this.#child);
  }
}
