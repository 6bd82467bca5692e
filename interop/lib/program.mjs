// The program under test and the servers around it: each runs with nothing of this machine's settings, in a folder of
// its own, and is gone when the suite is.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';

const BINARY = process.env.KEYBOUND;
if (!BINARY) throw new Error('KEYBOUND must name the keybound binary; interop/run sets it');

/** No command that ends by itself takes longer, even in a debug build on a busy machine. */
const DEADLINE = 20_000;

/** How long a server may take to serve, and to end when it is told to. */
const PATIENCE = 20_000;
const BETWEEN_LOOKS = 20;

/** What the suite leaves running or lying about when it ends, also where it is ended from outside. */
const children = new Set();
const folders = new Set();
process.once('exit', () => {
  children.forEach((child) => child.kill('SIGKILL'));
  folders.forEach((folder) => rmSync(folder, { recursive: true, force: true }));
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** A folder that is the program's home and working folder. */
export class Workspace {
  static async create() {
    const folder = await mkdtemp(join(tmpdir(), 'keybound-interop-'));
    folders.add(folder);
    return new Workspace(folder);
  }

  constructor(folder) {
    this.folder = folder;
  }

  path(name) {
    return join(this.folder, name);
  }

  /** Writes a file of this folder; returns its path. Only its owner may read it, as a secret's reader may ask for. */
  async write(name, content) {
    await writeFile(this.path(name), content, { mode: 0o600 });
    return this.path(name);
  }

  /** Starts the program, which the caller ends. */
  start(args, options) {
    return this.startOther(BINARY, args, options);
  }

  /** Starts a program of others, which the caller ends. */
  startOther(command, args, { environment = {} } = {}) {
    const { PATH } = process.env;
    const child = spawn(command, args, { cwd: this.folder, env: { PATH, HOME: this.folder, ...environment } });
    children.add(child);
    child.once('close', () => children.delete(child));
    child.complaints = '';
    child.stderr.setEncoding('utf8').on('data', (words) => (child.complaints += words));
    return child;
  }

  /** Runs the program to its end; never throws for its exit code. */
  async run(args, { input = '', environment } = {}) {
    const child = this.start(args, { environment });
    const deadline = setTimeout(() => child.kill('SIGKILL'), DEADLINE);
    child.stdin.on('error', () => {}); // it may end without reading all
    child.stdin.end(input);
    const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    try {
      const [stdout, code] = await Promise.all([text(child.stdout), ended]);
      return { code, stdout, stderr: child.complaints };
    } finally {
      clearTimeout(deadline);
    }
  }

  /** As `run`, for what must succeed: returns the JSON that it printed. */
  async json(args, options) {
    const { code, stdout, stderr } = await this.run(args, options);
    if (code !== 0) throw new Error(`keybound ${args.join(' ')} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }
}

/** The JSON line that a server of ours prints once it serves. */
export async function firstLine(child) {
  const lines = createInterface({ input: child.stdout });
  const [line] = await whileAlive(child, (signal) => once(lines, 'line', { signal }));
  return JSON.parse(line);
}

/** Resolves once a server of others takes connections on `port`. */
export async function untilServing(child, port) {
  child.stdout.resume(); // what it prints there is for nobody
  await whileAlive(child, async (signal) => {
    while (!(await takesConnections(port))) await pause(BETWEEN_LOOKS, undefined, { signal });
  });
}

async function takesConnections(port) {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/**
 * A port that nobody listens at. Each test process takes from ports of its own, outside of those that the system hands
 * out: some servers share a port with another of their kind without a word, and then get its requests.
 */
export async function freePort() {
  for (;;) {
    const port = FIRST_PORT + (process.pid % PROCESSES) * PORTS_OF_A_PROCESS + (portsTaken++ % PORTS_OF_A_PROCESS);
    const server = net.createServer().listen(port, '127.0.0.1');
    // It rejects if somebody listens there.
    const free = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!free) continue;
    await new Promise((closed) => server.close(closed));
    return port;
  }
}

const FIRST_PORT = 10_000;
const PROCESSES = 200;
const PORTS_OF_A_PROCESS = 100;
let portsTaken = 0;

/** Ends this one child: asks first, insists when it does not listen. */
export async function endOf(child) {
  const neverRan = child.pid === undefined;
  if (neverRan || child.exitCode !== null || child.signalCode !== null) return;
  const insist = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
  child.kill('SIGTERM');
  await once(child, 'exit');
  clearTimeout(insist);
}

/** What `event` gives, unless the child ends before or time runs out: then why, in the child's words. */
async function whileAlive(child, event) {
  const giveUp = new AbortController();
  const signal = AbortSignal.any([giveUp.signal, AbortSignal.timeout(PATIENCE)]);
  const ended = once(child, 'close', { signal }).then(([code]) => {
    throw new Error(`${child.spawnfile} ended with ${code}: ${child.complaints}`);
  });
  try {
    return await Promise.race([event(signal), ended]);
  } catch (cause) {
    throw new Error(`${child.spawnfile} does not serve: ${child.complaints}`, { cause });
  } finally {
    ended.catch(() => {}); // from here on, its end is expected
    giveUp.abort();
  }
}
