// A provider simulator for one file of tests: started with it, ended with it, told things by its
// control endpoint. The program is $SUPAGLUE_SIMULATOR_PROGRAM.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {after} from 'node:test';

export class Simulator {
  static async start(...args) {
    const program = process.env.SUPAGLUE_SIMULATOR_PROGRAM;
    assert.ok(program, 'SUPAGLUE_SIMULATOR_PROGRAM names the simulator');
    // It ends with us even if we are killed.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', program, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the simulator ended: ${code}`);
    });
    ended.catch(() => {});
    after(() => child.kill());
    const [line] = await Promise.race([once(child.stdout, 'data'), ended]);
    return new Simulator(line.toString().trim(), child.pid);
  }

  constructor(url, pid) {
    this.url = url;
    this.pid = pid;
  }

  // POST /control/NAME with a document; the answer's document.
  async control(name, document = {}) {
    const answer = await fetch(`${this.url}/control/${name}`, {
      method: 'POST',
      body: JSON.stringify(document),
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error(`${name}: ${body.error}`);
    return body;
  }

  async counters(org) {
    const all = await (await fetch(`${this.url}/control/counters`)).json();
    return org ? (all.orgs[org] ?? {}) : all;
  }

  // The truth about an org's records, to compare answers with.
  async records(org, object, more = '') {
    const text =
        await (await fetch(`${this.url}/control/records?org=${org}&object=${object}${more}`))
            .text();
    return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  async grant(form, prefix = '') {
    return fetch(`${this.url}${prefix}/services/oauth2/token`, {
      method: 'POST',
      body: new URLSearchParams(form),
    });
  }

  refresh(refreshToken) {
    return this.grant({
      grant_type: 'refresh_token',
      client_id: 'any',
      refresh_token: refreshToken,
    });
  }

  // An access token for an org, and a GET with it of a path below /services/data/v62.0.
  async session(org) {
    const {access_token: token} = await (await this.refresh(org)).json();
    const base = `${this.url}/org/${org}/services/data/v62.0`;
    const get = (path, headers = {}) =>
        fetch(base + path, {headers: {authorization: `Bearer ${token}`, ...headers}});
    const query = (soql) => get(`/query?q=${encodeURIComponent(soql)}`);
    return {token, base, get, query};
  }
}

// Until a condition holds: there is nothing in these tests that only takes time.
export async function until(condition) {
  const deadline = Date.now() + 20000;
  while (!(await condition())) assert.ok(Date.now() < deadline, 'waited for too long');
}
