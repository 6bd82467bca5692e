// Keybound's guard as a process of its own, started as a user would, by a policy in a file.

import { AUDIENCE } from './authorization.mjs';
import { endOf, firstLine, Workspace } from './program.mjs';
import { INTROSPECTOR } from './provider.mjs';

export class GuardProcess {
  #child;

  /** Starts `keybound guard` with these flags for its face. */
  static async start({ face, policy, listen = '127.0.0.1:0' }) {
    const guard = new GuardProcess();
    const workspace = await Workspace.create();
    await workspace.write('client-secret', INTROSPECTOR.clientSecret);
    const file = await workspace.write('guard.toml', toml(policy));
    guard.#child = workspace.start(['guard', '--policy', file, '--listen', listen, ...face]);
    try {
      return Object.assign(guard, await firstLine(guard.#child));
    } catch (cause) {
      await guard.stop();
      throw cause;
    }
  }

  /** What it has logged. */
  get log() {
    return this.#child.complaints;
  }

  stop() {
    return endOf(this.#child);
  }
}

/** A policy that takes the tokens of this authorization server; `ofIssuer` says more of it. */
export function policyFor({ issuer, tokenAlgorithm }, { ofIssuer, ...more }) {
  return { ...more, issuers: [{ issuer, audiences: [AUDIENCE], algorithms: [tokenAlgorithm], ...ofIssuer }] };
}

/** A policy as TOML: a string, a number or a boolean is written as in JSON, and a table can stand in one line. */
function toml(policy) {
  return Object.entries(policy)
    .map(([name, value]) => `${name} = ${inline(value)}\n`)
    .join('');
}

function inline(value) {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value).map(([name, member]) => `${name} = ${inline(member)}`);
  return `{ ${members.join(', ')} }`;
}
