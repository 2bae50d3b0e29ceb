// The simulator's own part: its control endpoint, the faults it makes, and the routes that
// jsforce does not use.
import assert from 'node:assert/strict';
import {get as http_get} from 'node:http';
import test from 'node:test';
import {gunzipSync} from 'node:zlib';
import {Simulator, until} from './simulator.mjs';

const simulator = await Simulator.start('--rotate', 'strict', '--records', '20,Lead=300');
const control = (name, document) => simulator.control(name, document);
const held = async () => (await (await fetch(`${simulator.url}/control/held`)).json()).held;
const first_error = async (answer) => (await answer.json())[0];

// --- Faults --------------------------------------------------------------------------------------
const soql = 'SELECT Id, Name FROM Lead LIMIT 200';
async function with_fault(org, fault) {
  const session = await simulator.session(org);
  await control('fault', {match: {org, kind: 'query'}, ...fault});
  return session;
}

test('fault: status, with headers and a body, so many times and after so many', async () => {
  const {query} = await with_fault('status', {
    kind: 'status',
    status: 429,
    headers: {'Retry-After': 2},
    body: {error: 'slow down'},
    times: 2,
    after: 1,
  });
  const answers = [];
  for (let i = 0; i < 4; i++) answers.push(await query(soql));
  assert.deepEqual(answers.map((answer) => answer.status), [200, 429, 429, 200]);
  assert.equal(answers[1].headers.get('retry-after'), '2');
  assert.deepEqual(await answers[1].json(), {error: 'slow down'});
});

test('fault: for ever, until faults are cleared', async () => {
  const {query} = await with_fault('forever', {kind: 'status', times: -1});
  for (let i = 0; i < 3; i++) assert.equal((await query(soql)).status, 503);
  await control('clear_faults');
  assert.equal((await query(soql)).status, 200);
});

test('fault: it strikes only what it matches', async () => {
  const {query, get} = await simulator.session('match');
  await control('fault', {kind: 'status', match: {object: 'lead', path_contains: '\'x & y\''}});
  await control('fault', {kind: 'status', match: {org: 'match', kind: 'describe'}});
  assert.equal((await query(soql)).status, 200);
  assert.equal((await query('SELECT Id FROM Contact WHERE Name = \'x & y\'')).status, 200);
  assert.equal((await query('SELECT Id FROM Lead WHERE Name = \'x & y\'')).status, 503);
  assert.equal((await get('/limits')).status, 200);
  assert.equal((await get('/sobjects/Lead/describe')).status, 503);
});

test('fault: delay', async () => {
  const {query} = await with_fault('delay', {kind: 'delay', ms: 150});
  const start = Date.now();
  assert.equal((await query(soql)).status, 200);
  assert.ok(Date.now() - start >= 145);
});

test('fault: garbage, an HTML page', async () => {
  const {query} = await with_fault('garbage', {kind: 'garbage'});
  const answer = await query(soql);
  assert.equal(answer.status, 200);
  await assert.rejects(answer.json());
  await control('fault', {kind: 'garbage', body: '<html>', match: {org: 'garbage'}});
  const page = await query(soql);
  assert.match(page.headers.get('content-type'), /^text\/html/);
  assert.equal(await page.text(), '<html>');
});

// The bytes of a body as they came.
function bytes_of(token, url) {
  const headers = {authorization: `Bearer ${token}`, 'accept-encoding': 'gzip'};
  return new Promise((resolve, reject) => {
    http_get(url, {headers}, async (answer) => {
      resolve(Buffer.concat(await answer.toArray()));
    }).on('error', reject);
  });
}

test('fault: cut, close, half a gzip', async () => {
  const {query, token, base} = await with_fault('cut', {kind: 'cut'});
  const answer = await query(soql);
  assert.equal(answer.status, 200);
  await assert.rejects(answer.text());
  await control('fault', {kind: 'close', match: {org: 'cut'}});
  await assert.rejects(query(soql));
  await control('fault', {kind: 'truncate_gzip', match: {org: 'cut'}});
  // What fetch() makes of half a gzip differs between versions of Node.
  const part = await bytes_of(token, `${base}/query?q=${encodeURIComponent(soql)}`);
  assert.throws(() => gunzipSync(part), {code: 'Z_BUF_ERROR'});
  const whole = await bytes_of(token, `${base}/query?q=${encodeURIComponent(soql)}`);
  assert.equal(JSON.parse(gunzipSync(whole)).records.length, 200);
  assert.equal(part.length, Math.floor(whole.length / 2));
});

test('fault: drip', async () => {
  const {query} = await simulator.session('drip');
  const whole = await (await query('SELECT Id FROM Lead LIMIT 3')).text();
  await control('fault', {kind: 'drip', ms: 10, match: {org: 'drip'}});
  const start = Date.now();
  assert.equal(await (await query('SELECT Id FROM Lead LIMIT 3')).text(), whole);
  assert.ok(Date.now() - start >= Math.floor(whole.length / 64) * 10);
});

test('fault: a kind or a key that there is not', async () => {
  await assert.rejects(control('fault', {kind: 'nonsense'}), /unknown kind of fault 'nonsense'/);
  await assert.rejects(control('fault', {kind: 'cut', tmes: 2}), /unknown key 'tmes'/);
  await assert.rejects(control('fault', {kind: 'cut', match: {orgs: 'x'}}), /unknown key 'orgs'/);
  await assert.rejects(control('fault', {}), /kind/);
  await assert.rejects(control('nonsense'), /no such command/);
  assert.equal((await fetch(`${simulator.url}/control/nonsense`)).status, 400);
});

test('latency', async () => {
  const {get} = await simulator.session('latency');
  await control('latency', {ms: 100});
  const start = Date.now();
  await get('/limits');
  await control('latency', {ms: 0});
  assert.ok(Date.now() - start >= 95);
});

// --- Hold, counters
// --------------------------------------------------------------------------------
test('hold and release, and how many were there at once', async () => {
  const {query, get} = await simulator.session('hold');
  await control('reset_counters');
  await control('hold', {match: {org: 'hold', kind: 'query'}});
  const waiting = [query(soql), query(soql), query(soql)];
  await until(async () => (await held()) === 3);
  assert.equal((await get('/limits')).status, 200);
  await control('release');
  for (const answer of await Promise.all(waiting)) assert.equal(answer.status, 200);
  assert.equal(await held(), 0);
  const {max_concurrent} = await simulator.counters();
  assert.equal(max_concurrent, 4);
});

test('counters, of all and of an org', async () => {
  await control('reset_counters');
  const {query, get} = await simulator.session('counted');
  await get('/sobjects');
  await get('/sobjects/Lead/describe');
  const page = await (await get(`/query?q=${encodeURIComponent('SELECT Id FROM Lead')}`, {
                 'Sforce-Query-Options': 'batchSize=200',
               })).json();
  await get(page.nextRecordsUrl.replace(/.*v62.0/, ''));
  await query(soql);
  await get('/limits');
  await simulator.session('other');
  const {requests, token, describe, query: queries, query_more, other} =
      await simulator.counters('counted');
  assert.deepEqual([requests, token, describe, queries, query_more, other], [7, 1, 2, 2, 1, 1]);
  const all = await simulator.counters();
  assert.deepEqual([all.requests, all.token], [8, 2]);
  const one = await (await fetch(`${simulator.url}/control/counters?org=other`)).json();
  assert.deepEqual([one.requests, Object.keys(one.orgs)], [1, ['other']]);
});

// --- Tokens, orgs, the clock
// -------------------------------------------------------------------------
test('rotation: strict, grace, none', async () => {
  const refresh = async (token) => (await simulator.refresh(token)).json();
  const one = await refresh('rotating');
  assert.match(one.refresh_token, /^rotating:/);
  const gone = {error: 'invalid_grant', error_description: 'expired access/refresh token'};
  assert.deepEqual(await refresh('rotating'), gone);
  assert.equal((await simulator.counters('rotating')).refresh_reuse, 1);
  const two = await refresh(one.refresh_token);
  assert.notEqual(two.refresh_token, one.refresh_token);
  await control('rotate', {mode: 'grace'});
  assert.ok((await refresh(two.refresh_token)).refresh_token);
  assert.ok((await refresh(two.refresh_token)).refresh_token);
  await control('rotate', {mode: 'none'});
  const none = await refresh(two.refresh_token);
  assert.ok(none.access_token && !('refresh_token' in none));
  await assert.rejects(control('rotate', {mode: 'sideways'}), /none, grace or strict/);
});

test('access tokens expire: when told, and by their age', async () => {
  const {get} = await simulator.session('expiring');
  await control('expire_tokens', {org: 'another'});
  assert.equal((await get('/limits')).status, 200);
  await control('token_ttl', {ms: 60000});
  await control('clock', {offset_seconds: 59});
  assert.equal((await get('/limits')).status, 200);
  await control('clock', {offset_seconds: 61});
  const late = await get('/limits');
  assert.equal(late.status, 401);
  assert.deepEqual(await first_error(late), {
    errorCode: 'INVALID_SESSION_ID',
    message: 'Session expired or invalid',
  });
  await control('token_ttl', {ms: 0});
  await control('clock', {offset_seconds: 0});
  const again = await simulator.session('expiring');
  await control('expire_tokens');
  assert.equal((await again.get('/limits')).status, 401);
});

test('a revoked org gets no tokens, until it does', async () => {
  const {get} = await simulator.session('sulking');
  await control('revoke', {org: 'sulking'});
  assert.equal((await get('/limits')).status, 401);
  const refused = await simulator.refresh('sulking');
  assert.equal(refused.status, 400);
  assert.equal((await refused.json()).error, 'invalid_grant');
  await control('revoke', {org: 'sulking', revoked: false});
  assert.equal((await simulator.refresh('sulking')).status, 200);
});

test('grants that are refused', async () => {
  const error_of = async (form) => (await (await simulator.grant(form)).json()).error;
  assert.equal(await error_of({}), 'invalid_request');
  assert.equal(await error_of({grant_type: 'magic'}), 'unsupported_grant_type');
  assert.equal(
      await error_of({grant_type: 'refresh_token', refresh_token: 'x'}), 'invalid_client_id');
  assert.equal(await error_of({grant_type: 'authorization_code', code: '/'}), 'invalid_grant');
  const odd = `x.${Buffer.from('{"sub": 7}').toString('base64url')}.x`;
  const jwt = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  assert.equal(await error_of({grant_type: jwt, assertion: odd}), 'invalid_grant');
  const own = await simulator.grant({grant_type: 'client_credentials'}, '/org/mydomain');
  assert.equal((await own.json()).instance_url, `${simulator.url}/org/mydomain`);
});

test('a strict simulator has the orgs that it was given', async () => {
  const strict = await Simulator.start('--strict');
  assert.equal((await strict.refresh('acme')).status, 400);
  await strict.control('create_org', {org: 'acme'});
  assert.equal((await strict.refresh('acme')).status, 200);
});

test('the clock is in Date and in stamps', async () => {
  await control('clock', {offset_seconds: 86400});
  const date = new Date((await simulator.refresh('clock')).headers.get('date'));
  const [lead] = await simulator.records('clock', 'Lead', '&iso=1');
  await control('update', {org: 'clock', object: 'Lead', id: lead.Id, set: {Title: 'CEO'}});
  await control('clock', {offset_seconds: 0});
  const [changed] = await simulator.records('clock', 'Lead', '&iso=1');
  assert.equal(changed.Title, 'CEO');
  for (const stamp of [date, new Date(changed.SystemModstamp)]) {
    const ahead = stamp - Date.now();
    assert.ok(ahead > 80000000 && ahead <= 86400000, stamp);
  }
});

// --- Records and schemas
// ---------------------------------------------------------------------------
test('insert, update, delete, undelete, merge', async () => {
  const org = 'changing', object = 'Contact';
  const names = async (more) =>
      (await simulator.records(org, object, more)).slice(-2).map((one) => one.LastName);
  const {count, ids} =
      await control('insert', {org, object, records: [{LastName: 'A'}, {LastName: 'B'}]});
  assert.equal(count, 2);
  const before = (await simulator.records(org, object)).at(-1).SystemModstamp;
  await control(
      'update', {org, object, where: 'LastName = \'b\'', set: {LastName: 'C'}, stamp: false});
  assert.deepEqual(await names(), ['A', 'C']);
  assert.equal((await simulator.records(org, object)).at(-1).SystemModstamp, before);
  await control('merge', {org, object, id: ids[0], loser: ids[1]});
  assert.equal((await names())[1], 'A');
  const loser = (await simulator.records(org, object, '&deleted=1')).at(-1);
  assert.deepEqual([loser.IsDeleted, loser.MasterRecordId], [true, ids[0]]);
  await control('undelete', {org, object, id: ids[1]});
  assert.deepEqual(await names(), ['A', 'C']);
  await control('delete', {org, object, id: ids, hard: true});
  assert.equal((await simulator.records(org, object, '&deleted=1')).length, 20);
  await assert.rejects(control('update', {org, object, id: ids[0]}), /no record/);
  await assert.rejects(control('insert', {org, object, records: [{Nope: 1}]}), /no field 'Nope'/);
  await assert.rejects(control('delete', {org, object, where: 'Nope = 1'}), /No such column/);
  await assert.rejects(control('delete', {org, object: 'Nope', id: 'x'}), /no object 'Nope'/);
});

test('fields and objects come and go; describe says when', async () => {
  const org = 'growing';
  const {get, query} = await simulator.session(org);
  const described = await get('/sobjects/Lead/describe');
  const since = {'If-Modified-Since': described.headers.get('last-modified')};
  assert.equal((await get('/sobjects/Lead/describe', since)).status, 304);
  await control('add_field', {org, object: 'Lead', field: {name: 'Score__c', type: 'double'}});
  assert.equal((await get('/sobjects/Lead/describe', since)).status, 200);
  const {records} = await (await query('SELECT Score__c FROM Lead LIMIT 1')).json();
  assert.equal(records[0].Score__c, null);
  await control('remove_field', {org, object: 'Lead', field: 'Score__c'});
  assert.equal(
      (await first_error(await query('SELECT Score__c FROM Lead'))).errorCode, 'INVALID_FIELD');
  await control('add_object', {org, object: 'Thing__c', fields: [{name: 'Size__c', type: 'int'}]});
  await control('insert', {org, object: 'Thing__c', records: [{Name: 'one', Size__c: 3}]});
  const things = await (await query('SELECT Name, Size__c FROM Thing__c')).json();
  assert.deepEqual([things.records[0].Name, things.records[0].Size__c], ['one', 3]);
  await control('remove_object', {org, object: 'Thing__c'});
  assert.equal(
      (await first_error(await query('SELECT Id FROM Thing__c'))).errorCode, 'INVALID_TYPE');
  await assert.rejects(
      control('add_field', {org, object: 'Lead', field: {name: 'X__c', type: 'odd'}}),
      /unknown field type/);
});

test('counts do not count what was deleted', async () => {
  const {get} = await simulator.session('counting');
  const object = 'Lead', org = 'counting';
  const ids = (await simulator.records(org, object)).slice(0, 3).map((one) => one.Id);
  await control('delete', {org, object, id: ids});
  await control('delete', {org, object, id: ids[0], hard: true});
  const counts = await (await get('/limits/recordCount?sObjects=Lead,User')).json();
  assert.deepEqual(counts.sObjects, [{count: 297, name: 'Lead'}, {count: 5, name: 'User'}]);
});

test('pages: a size that is asked for, locators that are lost', async () => {
  const {get} = await simulator.session('paging');
  const all = `/query?q=${encodeURIComponent('SELECT Id FROM Lead')}`;
  const small = await (await get(all, {'Sforce-Query-Options': 'batchSize=200'})).json();
  assert.deepEqual([small.totalSize, small.done, small.records.length], [300, false, 200]);
  const more = small.nextRecordsUrl.replace(/.*v62.0/, '');
  const rest = await (await get(more)).json();
  assert.deepEqual([rest.totalSize, rest.done, rest.records.length], [300, true, 100]);
  await control('drop_locators', {org: 'paging'});
  const lost = await get(more);
  assert.equal(lost.status, 400);
  assert.equal((await first_error(lost)).errorCode, 'INVALID_QUERY_LOCATOR');
});

// --- HTTP ----------------------------------------------------------------------------------------
test('answers tell the usage, and are compressed when asked', async () => {
  const {get} = await simulator.session('http');
  await control('usage', {org: 'http', used: 99, limit: 1000});
  const plain = await get('/sobjects', {'accept-encoding': 'identity'});
  assert.equal(plain.headers.get('sforce-limit-info'), 'api-usage=100/1000');
  assert.equal(plain.headers.get('content-encoding'), null);
  const zipped = await get('/sobjects', {'accept-encoding': 'gzip'});
  assert.equal(zipped.headers.get('content-encoding'), 'gzip');
  assert.equal(zipped.headers.get('sforce-limit-info'), 'api-usage=101/1000');
  assert.deepEqual(await zipped.json(), await plain.json());
  const resources = await (await get('/')).json();
  assert.match(resources.identity, /\/id\/00D\w{15}\/005\w{15}$/);
});

test('bytes that are no text are answered, not choked on', async () => {
  const {get} = await simulator.session('bytes');
  for (const bytes
           of ['%FF', 'SELECT%20%FF%FE%20FROM%20Lead',
               'SELECT%20Id%20FROM%20Lead%20WHERE%20Name=\'%C3\'%20x']) {
    const answer = await get(`/query?q=${bytes}`);
    assert.equal(answer.status, 400);
    assert.equal((await first_error(answer)).errorCode, 'MALFORMED_QUERY');
  }
});

test('an address has its limit', async () => {
  const {get, base} = await simulator.session('long');
  const soql_of = (length) =>
      `/query?q=${encodeURIComponent('SELECT Id FROM Lead WHERE Name = \'')}`.padEnd(
          length - base.length, 'x') +
      '\'';
  assert.equal((await get(soql_of(8000))).status, 200);
  assert.equal((await get(soql_of(17000))).status, 414);
});
