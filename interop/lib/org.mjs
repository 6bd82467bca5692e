// Keybound's local org, started as a user would, on a free loopback port.

import { endOf, firstLine, Workspace } from './program.mjs';

export const USERS_PATH = '/api/v1/users';
export const SCOPE = 'okta.users.read';

export class Org {
  #workspace;
  #child;
  #apps = 0;

  /** Starts an org with 200 made-up users; over https unless `http`. Its log is kept if `verbose`. */
  static async start({ http = true, verbose = false, requestsPerMinute } = {}) {
    const org = new Org();
    org.#workspace = await Workspace.create();
    org.#child = org.#workspace.start([
      ...['org', 'start', '--listen', '127.0.0.1:0', '--data', org.#workspace.path('data')],
      ...(http ? ['--http'] : []),
      ...(verbose ? ['-v'] : []),
      ...(requestsPerMinute === undefined ? [] : ['--requests-per-minute', String(requestsPerMinute)]),
    ]);
    try {
      const { url, ca_file: authority } = await firstLine(org.#child);
      return Object.assign(org, { url, authority });
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

  stop() {
    return endOf(this.#child);
  }
}
