// Apache's web server with the modules of others that protect what is behind it, as Debian has them.

import { Workspace, freePort } from './program.mjs';
import { serving } from './proxies.mjs';

const MODULES = '/usr/lib/apache2/modules';

const MODULES_OF_APACHE = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'proxy', 'proxy_http'];

/**
 * Starts it at `origin`, or where nobody serves, before `api`, with this module, these settings for the whole server, ahead
 * of what sends requests on, and these for all paths. Returns `{ origin, stop() }`.
 */
export async function startApache({ api, module, location, settings = '', origin }) {
  const workspace = await Workspace.create();
  const { host, port } = new URL(origin ?? (await freeOrigin()));
  const modules = [...MODULES_OF_APACHE, module].map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so\n`);
  const file = await workspace.write(
    'apache.conf',
    `${modules.join('')}
ServerName ${host}
Listen ${host}
User www-data
Group www-data
DefaultRuntimeDir ${workspace.folder}
PidFile ${workspace.path('pid')}
ErrorLog ${workspace.path('error.log')}
${settings}
ProxyPass / ${api.origin}/
<Location />
${location}
</Location>
`,
  );
  const { stop } = await serving(port, workspace, 'apache2', ['-X', '-f', file]);
  return { origin: `http://${host}`, stop };
}

/** An origin at which nobody serves, for who has to know it before Apache does. */
export async function freeOrigin() {
  return `http://127.0.0.1:${await freePort()}`;
}
