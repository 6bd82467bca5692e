// The guard before an API in each of its faces: by itself, and behind the proxies that others wrote, by the settings that
// the documents give.

import { THINGS_PATH, Api } from './api.mjs';
import { startCaddy, startEnvoy, startNginx } from './proxies.mjs';
import { GuardProcess, policyFor } from './guard.mjs';
import { freePort } from './program.mjs';
import { SCOPE, WRITE_SCOPE } from './provider.mjs';

/** Another host that a policy may say the resource is seen under: one that a thief would like to choose. */
export const OTHER_ORIGIN = 'http://other.example';

export const OPEN_PATH = '/open';
export const ADMIN_PATH = '/admin';

/** A guard that believes what the proxy on this machine says of a request. */
const asked = ({ face, policy }) =>
  GuardProcess.start({ face, policy: { ...policy, trusted_proxies: ['127.0.0.1/32'] } });

const ROUTES = [
  { path: `${THINGS_PATH}/**`, methods: ['GET', 'DELETE'], scopes: [SCOPE] },
  { path: `${THINGS_PATH}/**`, methods: ['POST', 'PUT'], scopes: [WRITE_SCOPE] },
  { path: `${ADMIN_PATH}/**`, scopes: ['admin'] },
  { path: OPEN_PATH, admit_without_token: true },
];

/** By name, each a function that starts what stands between client and API, the guard first. */
const FACES = {
  'the reverse proxy': async ({ policy, port, api }) => {
    const face = ['--upstream', api.origin];
    return [await GuardProcess.start({ face, policy, listen: `127.0.0.1:${port}` })];
  },
  'forward-auth behind nginx': async ({ policy, port, api }) => {
    const guard = await asked({ face: ['--forward-auth', 'nginx'], policy });
    return [guard, await startNginx({ port, guard, api })];
  },
  'forward-auth behind Caddy': async ({ policy, port, api }) => {
    const guard = await asked({ face: ['--forward-auth'], policy });
    return [guard, await startCaddy({ port, guard, api })];
  },
  'ext_authz over HTTP behind Envoy': async ({ policy, port, api }) => {
    const guard = await asked({ face: ['--ext-authz', 'http'], policy });
    return [guard, await startEnvoy({ port, guard, api, over: 'HTTP' })];
  },
  // Here Envoy says who its client is, so that nothing on the way to the guard has to be trusted.
  'ext_authz over gRPC behind Envoy': async ({ policy, port, api }) => {
    const guard = await GuardProcess.start({ face: ['--ext-authz', 'grpc'], policy });
    return [guard, await startEnvoy({ port, guard, api, over: 'gRPC' })];
  },
};

export const FACE_NAMES = Object.keys(FACES);

/**
 * Puts a guard, in the face of this name, before an API. Returns `{ origin, api, guard, close() }`; `policy` adds to
 * what the policy says.
 */
export async function openFace(name, { authorization, policy, ofIssuer, otherOrigins = [] }) {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const api = await Api.open();
  const servers = [];
  const close = async () => {
    for (const server of servers.toReversed()) await server.stop();
    await api.close();
  };
  try {
    const resources = [origin, ...otherOrigins];
    const whole = policyFor(authorization, { ofIssuer, resources, routes: ROUTES, ...policy });
    servers.push(...(await FACES[name]({ policy: whole, port, api })));
  } catch (cause) {
    await close();
    throw cause;
  }
  return { name, origin, api, guard: servers[0], close };
}

/** Puts a guard of each face before an API of its own; by name. Where one can't be, none is left. */
export async function openFaces(options) {
  const opening = await Promise.allSettled(FACE_NAMES.map((name) => openFace(name, options)));
  const opened = opening.flatMap(({ value }) => value ?? []);
  const failed = opening.find(({ status }) => status === 'rejected');
  if (failed) {
    await Promise.all(opened.map((face) => face.close()));
    throw failed.reason;
  }
  return Object.fromEntries(opened.map((face) => [face.name, face]));
}

/** What a request says of who sent it, by the names that some server may read its fields as. An empty field says nothing. */
export function identityIn({ headers }) {
  const identity = {};
  for (const [name, value] of headers) {
    const read = name.replaceAll('_', '-');
    if (read.startsWith('x-keybound-') && value !== '') (identity[read] ??= []).push(value);
  }
  return identity;
}
