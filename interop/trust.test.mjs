// What `keybound org trust` prints, taken by the very programs that it is for: before it they refuse the local org's
// certificate, and after `eval` of it they do not. The folder has a name in which a shell finds all it can misread.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { endOf, firstLine, Workspace } from './lib/program.mjs';

const FOLDER = `it's a "folder" of \`$HOME\``;
const PATH_OF_ORG = '/.well-known/openid-configuration';

const venv = fileURLToPath(new URL('.venv/bin/python', import.meta.url));
const python = existsSync(venv) ? venv : 'python3';

const JAVA = `
import java.net.URI;
import javax.net.ssl.HttpsURLConnection;
class Get {
  public static void main(String[] arguments) throws Exception {
    System.out.println(((HttpsURLConnection) URI.create(arguments[0]).toURL().openConnection()).getResponseCode());
  }
}`;
const GO = `package main
import ("fmt"; "net/http"; "os")
func main() {
  answer, problem := http.Get(os.Args[1])
  if problem != nil { panic(problem) }
  fmt.Println(answer.StatusCode)
}`;

/** Each prints the status of the answer to a GET of its last argument. */
const PROGRAMS = [
  {
    name: 'Node, fetch',
    trusts: 'node',
    command: [process.execPath, '-e', 'fetch(process.argv[1]).then((answer) => console.log(answer.status))'],
  },
  {
    name: 'Python, urllib',
    trusts: 'python',
    command: ['python3', '-c', 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).status)'],
  },
  {
    name: 'Python, requests',
    trusts: 'python',
    command: [python, '-c', 'import sys, requests; print(requests.get(sys.argv[1]).status_code)'],
    needs: [python, '-c', 'import requests'],
  },
  {
    name: "Python, aiohttp, which is under Okta's SDK",
    trusts: 'python',
    command: [
      python,
      '-c',
      `
import aiohttp, asyncio, sys
async def get():
    async with aiohttp.ClientSession() as session, session.get(sys.argv[1]) as answer:
        print(answer.status)
asyncio.run(get())`,
    ],
    needs: [python, '-c', 'import aiohttp'],
  },
  {
    name: 'Python, httpx',
    trusts: 'python',
    command: [python, '-c', 'import sys, httpx; print(httpx.get(sys.argv[1]).status_code)'],
    needs: [python, '-c', 'import httpx'],
  },
  {
    name: 'curl',
    trusts: 'curl',
    command: ['curl', '--silent', '--show-error', '--output', '/dev/null', '--write-out', '%{http_code}\n'],
  },
  { name: 'Java', trusts: 'java', command: ['java', 'Get.java'], needs: ['java', '--version'] },
  { name: 'Go', trusts: 'go', command: ['go', 'run', 'get.go'], needs: ['go', 'version'] },
];

let workspace, child, url, data;

before(async () => {
  workspace = await Workspace.create();
  data = workspace.path(FOLDER);
  child = workspace.start(['org', 'start', '--listen', '127.0.0.1:0', '--data', data]);
  ({ url } = await firstLine(child));
  await workspace.write('Get.java', JAVA);
  await workspace.write('get.go', GO);
});
after(() => endOf(child));

/** Runs a script of sh; `$KEYBOUND` is the program, `$DATA` the org's folder, and what follows are its arguments. */
function sh(script, ...args) {
  const { PATH, KEYBOUND } = process.env;
  const env = { PATH, KEYBOUND, DATA: data, HOME: workspace.folder };
  return spawnSync('sh', ['-c', script, 'sh', ...args], { cwd: workspace.folder, env, encoding: 'utf8' });
}

const isThere = ([command, ...args]) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

for (const { name, trusts, command, needs } of PROGRAMS) {
  const skip = needs && !isThere(needs) && `${needs.join(' ')} does not run here`;
  test(`${name} trusts the org after it is told to, and not before`, { skip }, () => {
    const target = url + PATH_OF_ORG;
    const first = sh('"$@"', ...command, target);
    assert.notEqual(`${first.status} ${first.stdout}`, '0 200\n', 'it trusts everybody');
    assert.match(first.stderr + first.stdout, /certif|PKIX/i);
    const told = 'eval "$("$KEYBOUND" org trust --data "$DATA" --for "$1")" && shift && "$@"';
    // A second time as well: what is made for it is there then.
    for (const _ of [1, 2]) {
      const second = sh(told, trusts, ...command, target);
      assert.deepEqual([second.status, second.stdout.split('\n').at(-2)], [0, '200'], second.stderr);
    }
  });
}

test('Keybound trusts the org after it is told to, and not before', () => {
  const keys = sh('"$KEYBOUND" keys new --alg ES256 --out cc');
  assert.equal(keys.status, 0, keys.stderr);
  const call = `OKTA_ORG_URL="$1" OKTA_CLIENT_ID=0oaNobody OKTA_CC_PRIVATE_KEY_FILE=cc_private_key.pem \
    "$KEYBOUND" api /api/v1/users`;
  assert.equal(sh(call, url).status, 5, 'no connection');
  const told = sh(`eval "$("$KEYBOUND" org trust --data "$DATA" --for keybound)" && ${call}`, url);
  assert.equal(told.status, 7, `the client is unknown to an org that is reached: ${told.stderr}`);
});

test('a bundle has the usual authorities and the org, and is not written over another file', async () => {
  const count = 'import ssl; print(len(ssl.create_default_context().get_ca_certs()))';
  const told = '"$KEYBOUND" org trust --data "$DATA" --for python --bundle all.pem';
  for (const [script, expected] of [
    ['eval "$("$KEYBOUND" org trust --data "$DATA" --for python)" && ', (found) => found === 1],
    [`eval "$(${told})" && `, (found) => found > 50],
    [`eval "$(${told})" && `, (found) => found > 50],
  ]) {
    const found = sh(`${script} "$@"`, 'python3', '-c', count);
    assert.ok(expected(Number(found.stdout)), `${found.stdout} ${found.stderr}`);
  }
  assert.match(await readFile(workspace.path('all.pem'), 'utf8'), /-----END CERTIFICATE-----\n$/);
  await workspace.write('all.pem', 'mine');
  assert.equal(sh(told).status, 15);
});

const noCertutil = !isThere(['sh', '-c', 'command -v certutil']) && 'certutil is not here';
test('a browser database takes the command that is printed for it', { skip: noCertutil }, () => {
  const made = sh('mkdir -p .pki/nssdb && certutil -N -d sql:.pki/nssdb --empty-password');
  assert.equal(made.status, 0, made.stderr);
  const printed = sh('"$KEYBOUND" org trust --data "$DATA" --for browser').stdout;
  const [command] = printed.match(/certutil -A .*/);
  assert.equal(sh(command).status, 0);
  assert.match(sh('certutil -L -d sql:.pki/nssdb').stdout, /Keybound local org\s+C,,/);
});

test('all settings together are set by one eval, which runs nothing that changes the system', () => {
  const names = ['KEYBOUND_CA_FILE', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'];
  const values = names.map((name) => `"$${name}"`).join(' ');
  const set = sh(`eval "$("$KEYBOUND" org trust --data "$DATA")"; printf '%s\\n' ${values}`).stdout.trimEnd().split('\n');
  assert.deepEqual(set, names.map(() => `${data}/ca.pem`));
  const printed = sh('"$KEYBOUND" org trust --data "$DATA"').stdout;
  for (const line of printed.split('\n').filter((line) => /sudo|certutil/.test(line))) assert.match(line, /^#/);
  const { programs } = JSON.parse(sh('"$KEYBOUND" org trust --data "$DATA" --json').stdout);
  const replacing = programs.filter((one) => one.replaces_default_roots).map(({ program }) => program);
  assert.deepEqual([programs.length, replacing], [8, ['python', 'go', 'java', 'curl']]);
});
