// Salesforce's Bulk API 2.0, spoken by jsforce where it can, and by plain requests where its own client
// stops short: it takes the header of each further page for a record.
import assert from 'node:assert/strict';
import test from 'node:test';
import {gunzipSync} from 'node:zlib';
import http from 'node:http';
import jsforce from 'jsforce';
import {Simulator} from './simulator.mjs';

const version = '62.0';
const simulator = await Simulator.start('--records', '20,Contact=40');
const jobs = '/jobs/query';

async function connect(org) {
  const oauth2 = new jsforce.OAuth2({loginUrl: simulator.url, clientId: 'any'});
  const conn = new jsforce.Connection({oauth2, version});
  await conn.authorize({grant_type: 'authorization_code', code: `${org}:code`});
  conn.instanceUrl += '/';  // it joins its paths as relative ones
  conn.bulk2.pollInterval = 10;
  conn.bulk2.pollTimeout = 20000;
  return conn;
}

// Plain requests of an org.
async function plain(org) {
  const {token, base} = await simulator.session(org);
  const send = (method, path, body, headers = {}) => fetch(base + path, {
    method,
    body: body && JSON.stringify(body),
    headers: {authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers},
  });
  const json = async (...args) => (await send(...args)).json();
  const create = (query, more = {}) => json('POST', jobs, {operation: 'query', query, ...more});
  const finish = async (job) => {
    for (let polls = 0; polls < 10; polls++) {
      const told = await json('GET', `${jobs}/${job.id}`);
      if (told.state !== 'InProgress') return told;
    }
    assert.fail('the job does not end');
  };
  return {base, token, send, json, create, finish};
}

const refuses = async (answer, status, code, words = /./) => {
  assert.equal(answer.status, status);
  const [error] = await answer.json();
  assert.equal(error.errorCode, code);
  assert.match(error.message, words);
};

test('jsforce runs a query by a job, and finds every record as it is', async () => {
  const conn = await connect('acme');
  await simulator.control('update', {
    org: 'acme',
    object: 'Contact',
    where: 'LastName != null',
    set: {Description: 'a "quoted", long\nthing – é'},
  });
  await simulator.control('reset_counters');
  const stream = await conn.bulk2.query(
      'SELECT Id, Name, Description, Birthdate, SystemModstamp, Account.Name FROM Contact');
  const found = await stream.toArray();
  const truth = await simulator.records('acme', 'Contact', '&iso=1');
  assert.equal(found.length, 40);
  assert.deepEqual(
      found.map(({Id, Name, Description, SystemModstamp}) => [Id, Name, Description, SystemModstamp]),
      truth.map(({Id, Name, Description, SystemModstamp}) => [Id, Name, Description, SystemModstamp]));
  assert.deepEqual(found.map((one) => one.Birthdate), truth.map((one) => one.Birthdate ?? ''));
  assert.ok(found.some((one) => one['Account.Name']));
  const counters = await simulator.counters('acme');
  assert.equal(counters.bulk_create, 1);
  assert.ok(counters.bulk_poll >= 2);
  assert.equal(counters.bulk_results, 1);
});

test('jsforce: queryAll sees what was deleted', async () => {
  const conn = await connect('deleting');
  const [first] = await simulator.records('deleting', 'Lead');
  await simulator.control('delete', {org: 'deleting', object: 'Lead', id: first.Id});
  const soql = 'SELECT Id, IsDeleted FROM Lead';
  const some = await (await conn.bulk2.query(soql)).toArray();
  const all = await (await conn.bulk2.query(soql, {scanAll: true})).toArray();
  assert.deepEqual([some.length, all.length], [19, 20]);
  assert.deepEqual(all.filter((one) => one.IsDeleted === 'true').map((one) => one.Id), [first.Id]);
});

test('jsforce: a job that is refused', async () => {
  const conn = await connect('acme');
  await assert.rejects(conn.bulk2.query('SELECT Nothing FROM Lead'), {errorCode: 'INVALID_FIELD'});
  await simulator.control('bulk', {org: 'acme', unsupported: ['Case']});
  await assert.rejects(conn.bulk2.query('SELECT Id FROM Case'), {
    errorCode: 'INVALIDENTITY',
    message: /Entity 'Case' is not supported by the Bulk API/,
  });
  await simulator.control('bulk', {org: 'acme', unsupported: []});
});

test('jsforce: a job that fails says why', async () => {
  const conn = await connect('acme');
  await simulator.control('bulk', {org: 'acme', fail: 'InvalidBatch : too slow'});
  await assert.rejects(conn.bulk2.query('SELECT Id FROM Lead'));
  assert.equal((await (await conn.bulk2.query('SELECT Id FROM Lead')).toArray()).length, 20);
});

test('what a job tells of itself', async () => {
  const {create, json} = await plain('telling');
  await simulator.control('bulk', {org: 'telling', polls: 2});
  const job = await create('SELECT Id FROM Lead');
  assert.match(job.id, /^750\w{15}$/);
  assert.match(job.createdDate, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/);
  assert.deepEqual(
      [job.state, job.object, job.operation, job.concurrencyMode, job.apiVersion, job.lineEnding,
       job.columnDelimiter, job.contentType],
      ['UploadComplete', 'Lead', 'query', 'Parallel', 62, 'LF', 'COMMA', 'CSV']);
  const told = [];
  for (let i = 0; i < 3; i++) told.push(await json('GET', `${jobs}/${job.id}`));
  assert.deepEqual(told.map((one) => one.state), ['InProgress', 'InProgress', 'JobComplete']);
  assert.deepEqual([told[2].jobType, told[2].numberRecordsProcessed], ['V2Query', 20]);
  await simulator.control('bulk', {org: 'telling', polls: 0, ms: 3600000});
  const slow = await create('SELECT Id FROM Lead');
  assert.equal((await json('GET', `${jobs}/${slow.id}`)).state, 'InProgress');
  await simulator.control('clock', {offset_seconds: 3601});
  assert.equal((await json('GET', `${jobs}/${slow.id}`)).state, 'JobComplete');
  await simulator.control('clock', {offset_seconds: 0});
});

test('pages: each with a header, a locator to the next, "null" at the end', async () => {
  const {create, finish, send} = await plain('acme');
  const job = await create('SELECT Id, Name FROM Contact');
  await refuses(await send('GET', `${jobs}/${job.id}/results`), 400, 'INVALIDJOBSTATE');
  await finish(job);
  const found = [];
  let pages = 0;
  for (let locator = ''; locator !== 'null'; pages++) {
    const path = `${jobs}/${job.id}/results?maxRecords=15${locator && `&locator=${locator}`}`;
    const answer = await send('GET', path, undefined, {accept: 'text/csv'});
    assert.equal(answer.headers.get('content-type'), 'text/csv');
    const lines = (await answer.text()).split('\n');
    assert.equal(lines.shift(), '"Id","Name"');
    assert.equal(lines.pop(), '');
    assert.equal(answer.headers.get('sforce-numberofrecords'), String(lines.length));
    found.push(...lines);
    locator = answer.headers.get('sforce-locator');
  }
  const truth = await simulator.records('acme', 'Contact');
  assert.equal(pages, 3);
  assert.deepEqual(found, truth.map((one) => `"${one.Id}","${one.Name.replaceAll('"', '""')}"`));
  await refuses(
      await send('GET', `${jobs}/${job.id}/results?locator=MTAw`), 400, 'INVALID_QUERY_LOCATOR');
});

test('a page is never larger than the provider wants', async () => {
  const {create, finish, send} = await plain('small');
  await simulator.control('bulk', {org: 'small', page_size: 7});
  const job = await create('SELECT Id FROM Lead');
  await finish(job);
  const answer = await send('GET', `${jobs}/${job.id}/results?maxRecords=1000`);
  assert.equal(answer.headers.get('sforce-numberofrecords'), '7');
});

test('resultPages names five pages at a time', async () => {
  const {create, finish, json, send} = await plain('acme');
  const job = await create('SELECT Id FROM Contact');
  await finish(job);
  let path = `${jobs}/${job.id}/resultPages?maxRecords=6`;
  const counts = [], groups = [];
  for (let done = false; !done;) {
    const group = await json('GET', path);
    groups.push(group.resultPages.length);
    for (const {resultUrl} of group.resultPages) {
      const answer = await send('GET', resultUrl.replace(/.*v62.0/, ''));
      counts.push(Number(answer.headers.get('sforce-numberofrecords')));
    }
    done = group.done;
    path = group.nextRecordsUrl?.replace(/.*v62.0/, '');
  }
  assert.deepEqual([groups, counts], [[5, 2], [6, 6, 6, 6, 6, 6, 4]]);
});

test('results of nothing, other delimiters and line ends', async () => {
  const {create, finish, send} = await plain('acme');
  const job = await create('SELECT Id, Name FROM Contact WHERE Id = null', {
    columnDelimiter: 'PIPE',
    lineEnding: 'CRLF',
  });
  await finish(job);
  const answer = await send('GET', `${jobs}/${job.id}/results`);
  assert.equal(await answer.text(), '"Id"|"Name"\r\n');
  assert.equal(answer.headers.get('sforce-locator'), 'null');
});

test('results are compressed when asked', async () => {
  const {create, finish, base, token} = await plain('acme');
  const job = await create('SELECT Id, Name FROM Contact');
  await finish(job);
  const read = (encoding) => new Promise((resolve, reject) => {
    const headers = {authorization: `Bearer ${token}`, 'accept-encoding': encoding};
    http.get(`${base}${jobs}/${job.id}/results`, {headers}, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve([answer.headers['content-encoding'], Buffer.concat(parts)]));
    }).on('error', reject);
  });
  const [zipped, bytes] = await read('gzip');
  const [flat, text] = await read('identity');
  assert.deepEqual([zipped, flat], ['gzip', undefined]);
  assert.equal(gunzipSync(bytes).toString(), text.toString());
});

test('another version of the API is refused', async () => {
  const {create, finish, base, token} = await plain('acme');
  const job = await create('SELECT Id FROM Lead');
  await finish(job);
  const path = `${base.replace('v62.0', 'v61.0')}${jobs}/${job.id}/results`;
  const answer = await fetch(path, {headers: {authorization: `Bearer ${token}`}});
  assert.equal(answer.status, 409);
});

test('aborting, deleting, listing', async () => {
  const {create, finish, json, send} = await plain('managing');
  const [one, two] = [await create('SELECT Id FROM Lead'), await create('SELECT Id FROM Contact')];
  await refuses(await send('DELETE', `${jobs}/${one.id}`), 400, 'INVALIDJOBSTATE');
  assert.equal((await json('PATCH', `${jobs}/${one.id}`, {state: 'Aborted'})).state, 'Aborted');
  await refuses(await send('GET', `${jobs}/${one.id}/results`), 400, 'INVALIDJOBSTATE');
  assert.equal((await finish(two)).state, 'JobComplete');
  await refuses(await send('PATCH', `${jobs}/${two.id}`, {state: 'Aborted'}), 400, 'INVALIDJOBSTATE');
  const {records, done, nextRecordsUrl} = await json('GET', `${jobs}?jobType=V2Query`);
  assert.deepEqual(records.map(({id, state}) => [id, state]),
                   [[one.id, 'Aborted'], [two.id, 'JobComplete']]);
  assert.deepEqual([done, nextRecordsUrl], [true, null]);
  assert.equal((await send('DELETE', `${jobs}/${one.id}`)).status, 204);
  await refuses(await send('GET', `${jobs}/${one.id}`), 404, 'NOT_FOUND');
});

test('what cannot be asked of a job', async () => {
  const {send} = await plain('acme');
  const refused = async (query, code, words) =>
      refuses(await send('POST', jobs, {operation: 'query', query}), 400, code, words);
  await refused('SELECT COUNT() FROM Contact', 'API_ERROR', /Implementation restriction/);
  await refused('SELECT LeadSource, COUNT(Id) n FROM Lead GROUP BY LeadSource', 'API_ERROR');
  await refused('SELECT Id FROM Lead OFFSET 5', 'API_ERROR');
  await refused('SELECT MailingAddress FROM Contact', 'FUNCTIONALITY_NOT_ENABLED', /compound data/);
  await refused('SELECT Id FROM Nothing', 'INVALID_TYPE');
  await refuses(await send('POST', jobs, {operation: 'query'}), 400, 'INVALIDJOB');
  await refuses(await send('POST', jobs, {operation: 'x', query: 'x'}), 400, 'INVALIDJOB');
  await refuses(await send('POST', jobs, {object: 'x'}), 400, 'JSON_PARSER_ERROR');
  await refuses(await send('PUT', jobs, {}), 405, 'METHOD_NOT_ALLOWED');
});

test('so many jobs a day', async () => {
  const {send, json} = await plain('limited');
  await simulator.control('bulk', {org: 'limited', jobs_left: 1});
  const body = {operation: 'query', query: 'SELECT Id FROM Lead'};
  assert.equal((await send('POST', jobs, body)).status, 200);
  await refuses(await send('POST', jobs, body), 400, 'LIMIT_EXCEEDED');
  assert.equal((await json('GET', '/limits')).DailyBulkV2QueryJobs.Remaining, 0);
  assert.equal(
      (await (await fetch(`${simulator.url}/control/bulk?org=limited`)).json()).made, 1);
  await assert.rejects(simulator.control('bulk', {org: 'limited', misspelt: 1}), /unknown key/);
});
