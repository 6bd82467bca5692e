// Keybound's local org, started as a user would, on a free loopback port.

import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Workspace } from './program.mjs';

/** How long the org may take to serve, and to end when it is told to. */
const PATIENCE = 20_000;

export const USERS_PATH = '/api/v1/users';
export const SCOPE = 'okta.users.read';

export class Org {
  #workspace;
  #child;
  #apps = 0;

  /** Starts an org with 200 made-up users; over https unless `http`. */
  static async start({ http = true } = {}) {
    const org = new Org();
    org.#workspace = await Workspace.create();
    org.#child = org.#workspace.start([
      ...['org', 'start', '--listen', '127.0.0.1:0', '--data', org.#workspace.path('data')],
      ...(http ? ['--http'] : []),
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
  async createApp({ key, dpop = 'required', scopes = [SCOPE] }) {
    const label = `app ${++this.#apps}`;
    const jwk = await key.writePublicJwk(this.#workspace.path(`${label}.json`));
    const { client_id: clientId } = await this.#workspace.json([
      ...['org', 'app', 'create', '--data', this.#workspace.path('data'), '--label', label, '--public-jwk', jwk],
      ...scopes.flatMap((scope) => ['--scope', scope]),
      ...['--role', 'READ_ONLY_ADMIN', '--dpop', dpop],
    ]);
    return clientId;
  }

  stop() {
    return endOf(this.#child);
  }
}

/** The JSON line that the org prints once it serves. */
async function firstLine(child) {
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (complaints += text));
  const lines = createInterface({ input: child.stdout });
  const signal = AbortSignal.timeout(PATIENCE);
  const ended = once(child, 'close', { signal }).then(([code]) => {
    throw new Error(`the org ended with ${code}: ${complaints}`);
  });
  const [line] = await Promise.race([once(lines, 'line', { signal }), ended]);
  ended.catch(() => {}); // from here on, its end is expected
  return JSON.parse(line);
}

/** Ends this one child: asks first, insists when it does not listen. */
async function endOf(child) {
  const neverRan = child.pid === undefined;
  if (neverRan || child.exitCode !== null || child.signalCode !== null) return;
  const insist = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
  child.kill('SIGTERM');
  await once(child, 'exit');
  clearTimeout(insist);
}
