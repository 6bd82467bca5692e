// Pages of an origin of their own, that of a site: the pages in `pages/`, the clients as their packages have them for
// browsers, and the settings that a test gives them.

import http from 'node:http';
import { readFile } from 'node:fs/promises';
import { close, listen } from './wire.mjs';

const FILES = {
  '/okta-auth-js': ['text/html', '../pages/okta-auth-js.html'],
  '/okta-auth-js-session': ['text/html', '../pages/okta-auth-js-session.html'],
  '/stranger': ['text/html', '../pages/stranger.html'],
  '/oidc-client-ts': ['text/html', '../pages/oidc-client-ts.html'],
  '/page.js': ['text/javascript', '../pages/page.js'],
  '/okta-auth-js.js': ['text/javascript', '../node_modules/@okta/okta-auth-js/dist/okta-auth-js.min.js'],
  '/oidc-client-ts.js': ['text/javascript', '../node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js'],
};

export class Pages {
  #server;

  /** What the pages are to sign in to and to call. */
  settings = {};

  static async serve() {
    const pages = new Pages();
    pages.#server = http.createServer((request, response) => {
      pages.#answer(new URL(request.url, 'http://localhost').pathname, response).catch((cause) => {
        response.destroy(cause);
      });
    });
    const { port } = new URL(await listen(pages.#server));
    // By its name, which is no site that the org's address is of.
    pages.origin = `http://localhost:${port}`;
    // The same pages, at an origin that no app and nobody else knows.
    pages.elsewhere = `http://127.0.0.1:${port}`;
    return pages;
  }

  close() {
    return close(this.#server);
  }

  async #answer(path, response) {
    if (path === '/settings.json') {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(this.settings));
      return;
    }
    const [type, file] = FILES[path] ?? [];
    if (!file) {
      response.statusCode = 404;
      response.end();
      return;
    }
    response.setHeader('content-type', type);
    response.end(await readFile(new URL(file, import.meta.url)));
  }
}
