// An OAuth client that we did not write: `oauth4webapi`, used as its documentation shows.

import * as oauth from 'oauth4webapi';

/** http is for loopback only; `oauth4webapi` wants to be told. */
const ON_LOOPBACK = { [oauth.allowInsecureRequests]: true };

export class Client {
  #client;
  #authentication;
  #options;

  /**
   * `server`: the authorization server's metadata. `clientKey` signs the assertions, `dpopKey` the proofs; without
   * `dpopKey` it asks for Bearer tokens. `audience` is the assertion's `aud`, by default the issuer (RFC 7523).
   */
  constructor({ server, clientId, clientKey, dpopKey, audience = server.issuer, fetch = globalThis.fetch }) {
    this.server = server;
    this.#client = { client_id: clientId };
    this.#authentication = oauth.PrivateKeyJwt(
      { key: clientKey.privateKey, kid: clientKey.thumbprint },
      { [oauth.modifyAssertion]: (_header, claims) => (claims.aud = audience) },
    );
    this.#options = {
      ...ON_LOOPBACK,
      [oauth.customFetch]: fetch,
      DPoP: dpopKey && oauth.DPoP(this.#client, dpopKey),
    };
  }

  /** A token response; answers one nonce challenge (RFC 9449 section 8). */
  async token(scope) {
    const request = () =>
      oauth
        .clientCredentialsGrantRequest(this.server, this.#client, this.#authentication, { scope }, this.#options)
        .then((response) => oauth.processClientCredentialsResponse(this.server, this.#client, response));
    return answeringNonceChallenge(request);
  }

  /** The response of a protected resource; answers one nonce challenge (RFC 9449 section 9). */
  async call(accessToken, url, { method = 'GET', body, headers } = {}) {
    const target = new URL(url);
    const fields = new Headers(headers);
    const request = () => oauth.protectedResourceRequest(accessToken, method, target, fields, body, this.#options);
    return answeringNonceChallenge(request);
  }

  /** All pages of a list, by the Link header. */
  async pages(accessToken, url) {
    const pages = [];
    for (let next = url; next;) {
      const response = await this.call(accessToken, next);
      if (!response.ok) throw new Error(`${next}: ${response.status} ${await response.text()}`);
      pages.push(await response.json());
      next = nextPage(response.headers.get('link'));
    }
    return pages;
  }
}

/** The authorization server's metadata: `algorithm` is "oidc" or "oauth2" (RFC 8414). */
export async function discover(issuer, algorithm, options = {}) {
  const identifier = new URL(issuer);
  const response = await oauth.discoveryRequest(identifier, { algorithm, ...ON_LOOPBACK, ...options });
  return oauth.processDiscoveryResponse(identifier, response);
}

/** The challenges of a response, `[{ scheme, parameters }]`, as oauth4webapi reads its WWW-Authenticate fields. */
export async function challengesOf(response) {
  const options = { ...ON_LOOPBACK, [oauth.customFetch]: async () => response };
  try {
    await oauth.protectedResourceRequest('unused', 'GET', new URL(response.url), undefined, undefined, options);
  } catch (error) {
    if (error instanceof oauth.WWWAuthenticateChallengeError) return error.cause;
    throw error;
  }
  return [];
}

async function answeringNonceChallenge(request) {
  try {
    return await request();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return request(); // the handle has kept the nonce
  }
}

function nextPage(link) {
  return link?.match(/<([^>]+)>;\s*rel="next"/)?.[1];
}
