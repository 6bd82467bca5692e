// A user with a browser, as far as the forms of `oidc-provider` and of the local org need one: follows redirects, keeps
// cookies, fills in forms and sends them, and approves whatever it is asked.

const MOST_STEPS = 20;

export class Browser {
  #cookies = new Map();

  /** The pages' addresses, in order. */
  visited = [];

  /** Opens `url` and goes on until a page has no form; returns `{ url, status, headers, text }` of it. */
  async approve(url, answers = {}) {
    let page = await this.#open(new URL(url));
    for (let step = 0; step < MOST_STEPS; step++) {
      const form = firstForm(page.text);
      if (!form) return page;
      const fields = new URLSearchParams(form.fields);
      for (const [name, value] of Object.entries({ login: 'alice', password: 'x', ...answers })) {
        if (fields.has(name)) fields.set(name, value);
      }
      page = await this.#open(new URL(form.action, page.url), { method: form.method, body: fields });
    }
    throw new Error(`no end after ${MOST_STEPS} forms: ${page.url}`);
  }

  async #open(url, { method = 'GET', body } = {}) {
    for (let step = 0; step < MOST_STEPS; step++) {
      this.visited.push(url.href);
      const response = await fetch(url, { method, body, redirect: 'manual', headers: this.#cookieHeader(url) });
      this.#keepCookies(url, response);
      const location = response.headers.get('location');
      if (!location) return { url, status: response.status, headers: response.headers, text: await response.text() };
      await response.arrayBuffer();
      [url, method, body] = [new URL(location, url), 'GET', undefined];
    }
    throw new Error(`no end after ${MOST_STEPS} redirects: ${url}`);
  }

  #cookieHeader({ host }) {
    const cookies = [...(this.#cookies.get(host) ?? [])].map(([name, value]) => `${name}=${value}`);
    return cookies.length ? { cookie: cookies.join('; ') } : {};
  }

  #keepCookies({ host }, response) {
    const kept = this.#cookies.get(host) ?? new Map();
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      if (value) kept.set(name, value);
      else kept.delete(name);
    }
    this.#cookies.set(host, kept);
  }
}

/** The first form of a page, with its method, its action and what its inputs hold. */
function firstForm(html) {
  const [, tag, content] = /<form([^>]*)>(.*?)<\/form>/s.exec(html) ?? [];
  if (tag === undefined) return undefined;
  const inputs = [...content.matchAll(/<input([^>]*)>/g)].map(([, input]) => input);
  const [, pressed] = /<button([^>]*\sname=[^>]*)>/.exec(content) ?? []; // the first of several decides, as in browsers
  const named = [...inputs, ...(pressed ? [pressed] : [])].filter((input) => attribute(input, 'name'));
  const fields = named.map((input) => [attribute(input, 'name'), attribute(input, 'value') ?? '']);
  return { method: attribute(tag, 'method')?.toUpperCase() ?? 'GET', action: attribute(tag, 'action'), fields };
}

function attribute(tag, name) {
  const value = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(tag)?.[1];
  return value?.replaceAll(/&#(\d+);/g, (_, code) => String.fromCodePoint(code)).replaceAll('&amp;', '&');
}
