// Proxies that we did not write, each started on a port of its own by the settings in the documents.

import { fileURLToPath } from 'node:url';
import { filled, snippet } from './documented.mjs';
import { endOf, untilServing, Workspace } from './program.mjs';

const ENVOY = process.env.ENVOY ?? fileURLToPath(new URL('../.venv/bin/envoy', import.meta.url));

/** Where Debian has nginx, which is on the path of the superuser alone. */
const PATH = `${process.env.PATH}:/usr/sbin`;

/** What the documents call the guard and the API. */
const GUARD = '127.0.0.1:9000';
const API = '127.0.0.1:8080';

const hostOf = (url) => new URL(url).host;

export async function startNginx({ port, guard, api }) {
  const workspace = await Workspace.create();
  const settings = filled(await snippet('nginx.md', 'nginx'), {
    ...{ 'listen 443 ssl;': `listen 127.0.0.1:${port};`, [GUARD]: hostOf(guard.url), [API]: hostOf(api.origin) },
  });
  const file = await workspace.write('nginx.conf', aroundNginx(settings));
  return serving(port, workspace, 'nginx', ['-p', workspace.folder, '-e', 'stderr', '-c', file]);
}

/** One process, so that what is started is what is ended. */
const aroundNginx = (settings) => `
daemon off;
master_process off;
pid nginx.pid;
events {}
http {
access_log off;
client_body_temp_path body;
proxy_temp_path proxy;
fastcgi_temp_path fastcgi;
uwsgi_temp_path uwsgi;
scgi_temp_path scgi;
${settings}
}
`;

export async function startCaddy({ port, guard, api }) {
  const workspace = await Workspace.create();
  const settings = filled(await snippet('caddy.md', 'caddyfile'), {
    ...{ 'api.example.com': `http://127.0.0.1:${port}`, [GUARD]: hostOf(guard.url), [API]: hostOf(api.origin) },
  });
  const file = await workspace.write('Caddyfile', `{\n\tadmin off\n}\n${settings}`);
  return serving(port, workspace, 'caddy', ['run', '--config', file, '--adapter', 'caddyfile']);
}

/** `over` is how Envoy asks: "gRPC" or "HTTP". */
export async function startEnvoy({ port, guard, api, over }) {
  const workspace = await Workspace.create();
  const whole = await snippet('envoy.md', 'yaml');
  const settings = filled(over === 'gRPC' ? whole : withFilter(whole, await snippet('envoy.md', 'yaml', 1)), {
    ...withPort(8000, port),
    ...withPort(9000, new URL(guard.url).port),
    ...withPort(8080, new URL(api.origin).port),
  });
  const file = await workspace.write('envoy.yaml', settings);
  const alone = ['--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'];
  return serving(port, workspace, ENVOY, ['--config-path', file, ...alone]);
}

const withPort = (documented, actual) => ({ [`port_value: ${documented} `]: `port_value: ${actual} ` });

/** Puts another filter in place of the first, which the document says to do. */
function withFilter(settings, filter) {
  const replaced = settings.replace(/^ *- name: envoy\.filters\.http\.ext_authz\n[^]*?(?=^ *- name: )/m, () => filter);
  if (replaced === settings) throw new Error('docs/envoy.md has no ext_authz filter to replace');
  return replaced;
}

export async function serving(port, workspace, command, args) {
  const child = workspace.startOther(command, args, { environment: { PATH } });
  const stop = () => endOf(child);
  try {
    await untilServing(child, port);
  } catch (cause) {
    await stop();
    throw cause;
  }
  return { stop };
}
