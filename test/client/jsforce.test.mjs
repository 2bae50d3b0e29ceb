// Salesforce's own protocol, spoken by its widely used client: what jsforce makes of the
// simulator's answers is what it would make of Salesforce's, compared with the records as
// the simulator holds them.
import assert from 'node:assert/strict';
import test from 'node:test';
import jsforce from 'jsforce';
import {Simulator} from './simulator.mjs';

const {Connection, OAuth2, SfDate} = jsforce;
const version = '62.0';
const simulator = await Simulator.start('--page-size', '7', '--records', '20,Contact=40');

const oauth2 = () => new OAuth2({
  loginUrl: simulator.url,
  clientId: 'client',
  clientSecret: 'secret',
  redirectUri: 'https://app.example.com/callback',
});

// A connection of an org, of nobody else's.
async function connect(org) {
  const conn = new Connection({oauth2: oauth2(), version});
  await conn.authorize({grant_type: 'authorization_code', code: `${org}:code`});
  return conn;
}

const ids = (records) => records.map((record) => record.Id);
const truth = (org, object, more) => simulator.records(org, object, more);
const holds = (conn, soql, code, pattern = /./) => assert.rejects(conn.query(soql), (error) => {
  assert.equal(error.errorCode, code);
  assert.match(error.message, pattern);
  return true;
});

// --- OAuth ---------------------------------------------------------------------------------------
test('an authorization code becomes tokens, and they say whose they are', async () => {
  const conn = new Connection({oauth2: oauth2(), version});
  const user = await conn.authorize({grant_type: 'authorization_code', code: 'acme:code'});
  assert.equal(conn.instanceUrl, `${simulator.url}/org/acme`);
  assert.match(user.organizationId, /^00D\w{15}$/);
  assert.match(user.id, /^005\w{15}$/);
  assert.equal(user.url, `${simulator.url}/id/${user.organizationId}/${user.id}`);
  assert.ok(conn.refreshToken.startsWith('acme:'));
  const fresh = new Connection({
    oauth2: oauth2(),
    version,
    instanceUrl: conn.instanceUrl,
    refreshToken: conn.refreshToken,
  });
  assert.deepEqual(ids((await fresh.query('SELECT Id FROM User')).records).length, 5);
});

test('an expired token is refreshed once, and the call replayed', async () => {
  const conn = await connect('acme');
  const refreshed = [];
  conn.on('refresh', (token, answer) => refreshed.push([token, answer]));
  await simulator.control('expire_tokens', {org: 'acme'});
  await simulator.control('reset_counters');
  const before = conn.accessToken;
  const both = await Promise.all([conn.sobject('Contact').count(), conn.sobject('Lead').count()]);
  assert.deepEqual(both, [40, 20]);
  assert.equal(refreshed.length, 1);
  const [token, answer] = refreshed[0];
  assert.equal(conn.accessToken, token);
  assert.notEqual(token, before);
  assert.equal(answer.token_type, 'Bearer');
  assert.match(answer.issued_at, /^\d{13}$/);
  assert.ok(!('expires_in' in answer) && !('refresh_token' in answer));
  const counters = await simulator.counters('acme');
  assert.equal(counters.token, 1);
  assert.equal(counters.query, 4);
});

test('a user name, a JWT and client credentials are accepted', async () => {
  const conn = new Connection({oauth2: oauth2(), version});
  await conn.login('globex@example.com', 'password');
  assert.equal(conn.instanceUrl, `${simulator.url}/org/globex`);
  assert.ok(!conn.refreshToken);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {iss: 'client', sub: 'initech@example.com', aud: simulator.url, exp: 2e9};
  const assertion = `${part({alg: 'RS256'})}.${part(claims)}.signature`;
  await conn.authorize({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion,
  });
  assert.equal(conn.instanceUrl, `${simulator.url}/org/initech`);
  await conn.authorize({grant_type: 'client_credentials'});
  assert.equal(conn.instanceUrl, `${simulator.url}/org/default`);
  assert.equal(await conn.sobject('Contact').count(), 40);
});

test('a token that was revoked is refused for good', async () => {
  const conn = await connect('revoking');
  await oauth2().revokeToken(conn.refreshToken);
  await simulator.control('expire_tokens', {org: 'revoking'});
  const gone = {name: 'invalid_grant', message: 'expired access/refresh token'};
  await assert.rejects(oauth2().refreshToken(conn.refreshToken), gone);
  await assert.rejects(conn.query('SELECT Id FROM User'), /expired access\/refresh token$/);
  await assert.rejects(oauth2().refreshToken('!no org'), {name: 'invalid_grant'});
  await assert.rejects(oauth2().requestToken({grant_type: 'magic'}), {
    name: 'unsupported_grant_type',
  });
});

test('identity and userinfo', async () => {
  const conn = await connect('acme');
  const {organizationId, id} = conn.userInfo;
  conn.userInfo = undefined;  // so that it has to look for the address
  const identity = await conn.identity();
  assert.equal(identity.organization_id, organizationId);
  assert.equal(identity.user_id, id);
  assert.equal(identity.username, 'user@acme.example.com');
  assert.equal(identity.active, true);
  const info = await conn.request('/services/oauth2/userinfo');
  assert.equal(info.sub, identity.id);
  assert.equal(info.organization_id, identity.organization_id);
  const users = await truth('acme', 'User');
  assert.ok(users.some((user) => user.Id === identity.user_id));
});

// --- Metadata ------------------------------------------------------------------------------------
test('versions', async () => {
  const list = await (await connect('acme')).request('/services/data');
  assert.ok(list.some((one) => one.version === version && one.label === 'Winter \'25'));
  assert.ok(list.every((one) => one.url === `/services/data/v${one.version}`));
});

test('describeGlobal', async () => {
  const conn = await connect('acme');
  const {sobjects, maxBatchSize, encoding} = await conn.describeGlobal();
  assert.equal(maxBatchSize, 200);
  assert.equal(encoding, 'UTF-8');
  const contact = sobjects.find((one) => one.name === 'Contact');
  assert.deepEqual(
      [contact.keyPrefix, contact.label, contact.labelPlural, contact.custom, contact.queryable],
      ['003', 'Contact', 'Contacts', false, true],
  );
  assert.ok(contact.urls.describe.endsWith(`/services/data/v${version}/sobjects/Contact/describe`));
  const custom = sobjects.find((one) => one.name === 'MyCustomObject__c');
  assert.ok(custom.custom && custom.replicateable);
  assert.equal((await conn.describeGlobal$()).sobjects.length, sobjects.length);
});

test('describe of Account, Contact and a custom object', async () => {
  const conn = await connect('acme');
  for (const object of ['Account', 'Contact', 'MyCustomObject__c']) {
    const {fields, name, keyPrefix} = await conn.sobject(object).describe();
    assert.equal(name, object);
    const [record] = await truth('acme', object);
    assert.ok(record.Id.startsWith(keyPrefix));
    const plain = fields.filter((field) => !/^(address|location|base64)$/.test(field.type));
    assert.deepEqual(plain.map((field) => field.name).sort(), Object.keys(record).sort());
    // Every field that is described can be asked for, and comes in its type.
    const soql = `SELECT ${fields.map((field) => field.name).join()} FROM ${object} LIMIT 5`;
    for (const found of (await conn.query(soql)).records)
      for (const field of fields) assert_typed(found[field.name], field);
  }
  const {fields} = await conn.describe('Contact');
  const field = (wanted) => fields.find((one) => one.name === wanted);
  assert.deepEqual(field('AccountId').referenceTo, ['Account']);
  assert.equal(field('AccountId').relationshipName, 'Account');
  assert.equal(field('MailingCity').compoundFieldName, 'MailingAddress');
  assert.equal(field('Description').filterable, false);
  assert.ok(field('LeadSource').picklistValues.some((one) => one.value === 'Web' && one.active));
  const {childRelationships} = await conn.describe('Account');
  assert.ok(childRelationships.some((one) => one.childSObject === 'Contact'));
});

function assert_typed(value, field) {
  if (value === null) return;
  const types = {boolean: 'boolean', address: 'object', location: 'object'};
  const numbers = /^(double|currency|percent|int|long)$/;
  const wanted = numbers.test(field.type) ? 'number' : (types[field.type] ?? 'string');
  assert.equal(typeof value, wanted, `${field.name} is ${field.type}`);
  if (field.type === 'datetime') assert.match(value, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000$/);
  if (field.type === 'date') assert.match(value, /^\d{4}-\d\d-\d\d$/);
  if (field.type === 'id' || field.type === 'reference') assert.match(value, /^\w{18}$/);
}

// --- Queries -------------------------------------------------------------------------------------
test('autoFetch reads all pages, maxFetch some', async () => {
  const conn = await connect('acme');
  await simulator.control('reset_counters');
  const soql = 'SELECT Id, Name, Account.Name FROM Contact';
  const all = await conn.query(soql, {autoFetch: true, maxFetch: 1000});
  const records = await truth('acme', 'Contact');
  assert.deepEqual(ids(all.records), ids(records));
  assert.deepEqual(
      all.records.map((record) => record.Name),
      records.map((record) => record.Name),
  );
  assert.deepEqual(all.records[0].attributes, {
    type: 'Contact',
    url: `/org/acme/services/data/v${version}/sobjects/Contact/${records[0].Id}`,
  });
  const counters = await simulator.counters('acme');
  assert.deepEqual([counters.query, counters.query_more], [1, 5]);
  const some = await conn.query(soql, {autoFetch: true, maxFetch: 16});
  assert.deepEqual(ids(some.records), ids(records).slice(0, 16));
});

test('queryMore goes on where a page ended', async () => {
  const conn = await connect('acme');
  let page = await conn.query('SELECT Id FROM Contact ORDER BY LastName DESC, Id');
  const found = ids(page.records);
  assert.deepEqual([page.totalSize, page.done, found.length], [40, false, 7]);
  assert.match(page.nextRecordsUrl, /\/query\/\w+-7$/);
  for (let pages = 1; !page.done; pages++) {
    assert.ok(pages < 6);
    page = await conn.queryMore(page.nextRecordsUrl);
    assert.equal(page.totalSize, 40);
    found.push(...ids(page.records));
  }
  assert.equal(page.nextRecordsUrl, undefined);
  assert.equal(new Set(found).size, 40);
  await assert.rejects(conn.queryMore('01g000000000000AAA-7'), {
    errorCode: 'INVALID_QUERY_LOCATOR',
  });
});

test('the default org answers at the root, as an instance does', async () => {
  const conn = await connect('default');
  conn.instanceUrl = simulator.url;
  const page = await conn.query('SELECT Id FROM Contact');
  assert.ok(page.nextRecordsUrl.startsWith(`${simulator.url}/services/data/v${version}/query/`));
  const next = await conn.request(page.nextRecordsUrl);
  const record = await conn.request(next.records[0].attributes.url);
  assert.equal(record.Id, next.records[0].Id);
  const {sobjects} = await conn.describeGlobal();
  const {urls} = sobjects.find((one) => one.name === 'Contact');
  assert.equal((await conn.request(urls.describe)).name, 'Contact');
  assert.equal((await conn.request(urls.rowTemplate.replace('{ID}', record.Id))).Id, record.Id);
});

test('queryAll sees what was deleted', async () => {
  const conn = await connect('deleting');
  const records = await truth('deleting', 'Contact');
  await simulator.control('delete', {
    org: 'deleting',
    object: 'Contact',
    id: ids(records).slice(0, 9),
  });
  const options = {autoFetch: true, maxFetch: 1000};
  const live = await conn.query('SELECT Id FROM Contact', options);
  assert.deepEqual(ids(live.records), ids(records).slice(9));
  const all = await conn.query('SELECT Id, IsDeleted FROM Contact', {...options, scanAll: true});
  assert.deepEqual(ids(all.records), ids(records));
  assert.deepEqual(
      ids(all.records.filter((record) => record.IsDeleted)),
      ids(records).slice(0, 9),
  );
  const [deleted] = records;
  await assert.rejects(conn.sobject('Contact').retrieve(deleted.Id));
});

// Finds are compared with the same condition on the truth.
const org = 'acme';
const find = (name, object, conditions, predicate) => test(`find: ${name}`, async () => {
  const conn = await connect(org);
  const options = {autoFetch: true, maxFetch: 1000};
  const found = await conn.sobject(object).find(conditions, 'Id').execute(options);
  const wanted = (await truth(org, object)).filter(predicate);
  assert.deepEqual(ids(found).sort(), ids(wanted).sort());
  assert.equal(await conn.sobject(object).count(conditions), wanted.length);
  assert.ok(wanted.length > 0, 'the test proves nothing');
});
const same = (one, other) => (one ?? '').toLowerCase() === other.toLowerCase();
const noon = new Date('2023-01-01T12:00:00Z');

find('equal', 'Contact', {LeadSource: 'web'}, (one) => same(one.LeadSource, 'Web'));
find(
    'not equal, nulls too', 'Contact', {LeadSource: {$ne: 'Web'}},
    (one) => !same(one.LeadSource, 'Web'));
find(
    'IN', 'Contact', {LeadSource: ['Web', 'Other']}, (one) => /^(Web|Other)$/.test(one.LeadSource));
find('NOT IN', 'Contact', {LeadSource: {$nin: ['Web']}}, (one) => one.LeadSource !== 'Web');
find('LIKE', 'Contact', {LastName: {$like: '_o%'}}, (one) => /^.o/i.test(one.LastName));
find('NOT LIKE', 'Contact', {LastName: {$nlike: '%a%'}}, (one) => !/a/i.test(one.LastName));
find('null', 'Contact', {Birthdate: null}, (one) => one.Birthdate === null);
find('not null', 'Contact', {Birthdate: {$exists: true}}, (one) => one.Birthdate !== null);
find('true', 'Contact', {DoNotCall: true}, (one) => one.DoNotCall);
find('a number', 'Account', {AnnualRevenue: {$gte: 1000}}, (one) => one.AnnualRevenue >= 1000);
find(
    'a stamp', 'Contact', {CreatedDate: {$gte: SfDate.toDateTimeLiteral(noon)}},
    (one) => new Date(one.CreatedDate) >= noon);
find(
    'a date', 'Contact', {Birthdate: {$lt: SfDate.toDateLiteral(noon)}},
    (one) => one.Birthdate !== null && one.Birthdate < '2023-01-01');
find('a word for dates', 'Contact', {CreatedDate: {$lt: SfDate.TODAY}}, () => true);
find(
    'OR in AND', 'Contact',
    {$or: [{LeadSource: 'Web'}, {DoNotCall: true}], HasOptedOutOfFax: false},
    (one) => (one.LeadSource === 'Web' || one.DoNotCall) && !one.HasOptedOutOfFax);
find('NOT', 'Contact', {$not: {LeadSource: 'Web'}}, (one) => one.LeadSource !== 'Web');
find('a parent', 'Contact', {'Account.Name': {$ne: null}}, (one) => one.AccountId !== null);
find(
    'choices', 'MyCustomObject__c', {Tags__c: {$includes: ['Alpha', 'Beta']}},
    (one) => /Alpha|Beta/.test(one.Tags__c ?? ''));

test('text is escaped on its way', async () => {
  const conn = await connect('texts');
  const names = ['O\'Neil', 'Ünïcode 漢字 🎉', 'a+b & c=d?#%', 'tab\tand\nline'];
  const {ids: made} = await simulator.control('insert', {
    org: 'texts',
    object: 'Contact',
    records: names.map((LastName) => ({LastName})),
  });
  for (const [i, LastName] of names.entries()) {
    const found = await conn.sobject('Contact').find({LastName}, 'Id, LastName');
    assert.deepEqual(ids(found), [made[i]]);
    assert.equal(found[0].LastName, LastName);
  }
});

test('ORDER BY, LIMIT and OFFSET', async () => {
  const conn = await connect(org);
  const found = await conn.sobject('Contact')
                    .find({}, ['Id', 'Birthdate'])
                    .sort({Birthdate: -1, Id: 1})
                    .limit(5)
                    .skip(3);
  const wanted = (await truth(org, 'Contact')).sort((one, other) => {
    const [a, b] = [one.Birthdate ?? '', other.Birthdate ?? ''];
    return a === b ? (one.Id < other.Id ? -1 : 1) : a < b ? 1 : -1;
  });
  const nulls = wanted.filter((one) => one.Birthdate === null);
  const dated = wanted.filter((one) => one.Birthdate !== null);
  // Nulls come first, unless told otherwise.
  assert.deepEqual(ids(found), ids([...nulls, ...dated]).slice(3, 8));
  const last =
      await conn.query('SELECT Id FROM Contact ORDER BY Birthdate DESC NULLS LAST, Id LIMIT 6');
  assert.deepEqual(ids(last.records), ids(dated).slice(0, 6));
  assert.equal((await conn.query('SELECT Id FROM Contact LIMIT 0')).totalSize, 0);
});

test('COUNT() and aggregates', async () => {
  const conn = await connect(org);
  const contacts = await truth(org, 'Contact');
  const count = await conn.query('SELECT COUNT() FROM Contact WHERE Birthdate != null');
  assert.deepEqual(count.records, []);
  assert.equal(count.totalSize, contacts.filter((one) => one.Birthdate).length);
  const groups = await conn.query(
      'SELECT LeadSource, COUNT(Id) n, MAX(LastName), COUNT_DISTINCT(LastName) FROM Contact ' +
          'WHERE LeadSource != null GROUP BY LeadSource ORDER BY LeadSource',
  );
  const sources = [...new Set(contacts.map((one) => one.LeadSource).filter(Boolean))].sort();
  assert.deepEqual(groups.records.map((group) => group.LeadSource), sources);
  for (const group of groups.records) {
    const own = contacts.filter((one) => one.LeadSource === group.LeadSource);
    assert.equal(group.attributes.type, 'AggregateResult');
    assert.equal(group.n, own.length);
    assert.equal(group.expr1, new Set(own.map((one) => one.LastName.toLowerCase())).size);
    assert.ok(own.every((one) => one.LastName.toLowerCase() <= group.expr0.toLowerCase()));
  }
  const [sums] = (await conn.query(
                      'SELECT SUM(NumberOfEmployees) total, MIN(NumberOfEmployees) least, ' +
                          'AVG(NumberOfEmployees) FROM Account',
                      ))
                     .records;
  const employees =
      (await truth(org, 'Account')).map((one) => one.NumberOfEmployees).filter((n) => n !== null);
  const total = employees.reduce((sum, n) => sum + n, 0);
  assert.equal(sums.total, total);
  assert.equal(sums.least, Math.min(...employees));
  assert.ok(Math.abs(sums.expr0 - total / employees.length) < 1e-6);
});

test('parents come as records in records', async () => {
  const conn = await connect(org);
  const found = await conn.query(
      'SELECT Id, AccountId, Account.Name, Account.Owner.Name FROM Contact LIMIT 7');
  const accounts = new Map((await truth(org, 'Account')).map((one) => [one.Id, one]));
  const users = new Map((await truth(org, 'User')).map((one) => [one.Id, one]));
  assert.ok(found.records.some((record) => record.Account));
  for (const record of found.records) {
    if (record.AccountId === null) {
      assert.equal(record.Account, null);
      continue;
    }
    const account = accounts.get(record.AccountId);
    assert.equal(record.Account.attributes.type, 'Account');
    assert.equal(record.Account.Name, account.Name);
    assert.equal(record.Account.Owner.Name, users.get(account.OwnerId).Name);
  }
});

test('a query is explained', async () => {
  const conn = await connect(org);
  const {plans} = await conn.query('SELECT Id FROM Contact').explain();
  assert.equal(plans[0].sobjectType, 'Contact');
  assert.equal(plans[0].cardinality, 40);
});

// --- Records, limits, feeds
// ------------------------------------------------------------------------
test('retrieve gives a record whole', async () => {
  const conn = await connect(org);
  for (const object of ['Contact', 'Account', 'MyCustomObject__c']) {
    const records = await truth(org, object);
    const found = await conn.sobject(object).retrieve(records[0].Id);
    for (const [name, value] of Object.entries(records[0]))
      assert.deepEqual(found[name], value, name);
    const short = await conn.sobject(object).retrieve(records[1].Id.slice(0, 15));
    assert.equal(short.Id, records[1].Id);
    const named = await conn.sobject(object).retrieve(records[0].Id, {fields: ['Id', 'Name']});
    assert.deepEqual(Object.keys(named).sort(), ['Id', 'Name', 'attributes']);
  }
});

test('limits, and the usage that every answer tells', async () => {
  const conn = await connect('limits');
  await simulator.control('usage', {org: 'limits', used: 4000, limit: 5000});
  const limits = await conn.limits();
  assert.equal(limits.DailyApiRequests.Max, 5000);
  assert.ok(limits.DailyApiRequests.Remaining <= 1000 && limits.DailyApiRequests.Remaining >= 990);
  await conn.query('SELECT Id FROM User');
  const {used, limit} = conn.limitInfo.apiUsage;
  assert.equal(limit, 5000);
  assert.ok(used > 4000 && used < 4010);
  const {sObjects} =
      await conn.request(`/services/data/v${version}/limits/recordCount?sObjects=Contact`);
  assert.deepEqual(sObjects, [{count: 40, name: 'Contact'}]);
});

test('feeds of what was updated and deleted', async () => {
  const conn = await connect('feeds');
  const [one, other, third] = ids(await truth('feeds', 'Contact'));
  await simulator.control(
      'update', {org: 'feeds', object: 'Contact', id: one, set: {Title: 'CEO'}});
  await simulator.control('delete', {org: 'feeds', object: 'Contact', id: other});
  await simulator.control('delete', {org: 'feeds', object: 'Contact', id: third, hard: true});
  const start = new Date(Date.now() - 3600000);
  const end = new Date(Date.now() + 60000);
  const updated = await conn.sobject('Contact').updated(start, end);
  assert.deepEqual(updated.ids, [one]);
  assert.match(updated.latestDateCovered, /^\d{4}-\d\d-\d\dT\d\d:\d\d:00\.000\+0000$/);
  const deleted = await conn.sobject('Contact').deleted(start.toISOString(), end.toISOString());
  assert.deepEqual(deleted.deletedRecords.map((record) => record.id), [other, third]);
  assert.ok(new Date(deleted.deletedRecords[0].deletedDate) >= start);
  assert.ok(new Date(deleted.earliestDateAvailable) < start);
  await assert.rejects(conn.sobject('Contact').updated(end, start), {
    errorCode: 'INVALID_REPLICATION_DATE',
  });
});

// --- Errors --------------------------------------------------------------------------------------
test('errors have their codes and point at their place', async () => {
  const conn = await connect(org);
  await holds(
      conn, 'SELECT Nope FROM Contact', 'INVALID_FIELD',
      /ERROR at Row:1:Column:8\nNo such column 'Nope'/);
  await holds(conn, 'SELECT Id FROM Contact WHERE Nope__c = 1', 'INVALID_FIELD');
  await holds(conn, 'SELECT Id FORM Contact', 'MALFORMED_QUERY', /unexpected token: '?Contact/);
  await holds(
      conn, 'SELECT Id FROM Nothing', 'INVALID_TYPE', /sObject type 'Nothing' is not supported/);
  await holds(
      conn, 'SELECT Id FROM Contact WHERE CreatedDate > \'2024-01-01\'', 'INVALID_FIELD',
      /must be of type dateTime/);
  await holds(conn, 'SELECT Id FROM Contact OFFSET 2001', 'NUMBER_OUTSIDE_VALID_RANGE');
  await holds(
      conn, 'SELECT Id, (SELECT Id FROM Contacts) FROM Account', 'MALFORMED_QUERY',
      /not supported by this simulator/);
  const not_found = {errorCode: 'NOT_FOUND', message: 'The requested resource does not exist'};
  await assert.rejects(conn.describe('Nothing'), not_found);
  await assert.rejects(conn.request(`/services/data/v${version}/nothing`), not_found);
  await assert.rejects(conn.request('/services/data/v1.0/sobjects'), {errorCode: 'NOT_FOUND'});
  await assert.rejects(
      conn.sobject('Contact').retrieve('003000000000000AAA'), {errorCode: 'NOT_FOUND'});
  await assert.rejects(
      conn.sobject('Contact').create({LastName: 'X'}), {errorCode: 'METHOD_NOT_ALLOWED'});
});

test('without a refresh token a session ends', async () => {
  const conn =
      new Connection({instanceUrl: `${simulator.url}/org/acme`, accessToken: 'gone', version});
  await holds(conn, 'SELECT Id FROM Contact', 'INVALID_SESSION_ID', /^Session expired or invalid$/);
  const other = await connect('globex');
  other.instanceUrl = `${simulator.url}/org/acme`;
  other.refreshToken = undefined;
  other._refreshDelegate = undefined;
  await holds(other, 'SELECT Id FROM Contact', 'INVALID_SESSION_ID');
  await assert.rejects(conn.request('/services/oauth2/userinfo'), {
    errorCode: 'ERROR_HTTP_403',
    message: 'Bad_OAuth_Token',
  });
});

test('what Salesforce says when it is busy, and the client tries again', async () => {
  const conn = await connect(org);
  await simulator.control('fault', {match: {org, kind: 'query'}, kind: 'status', status: 503});
  assert.equal(await conn.sobject('Contact').count(), 40);
  await simulator.control('fault', {
    match: {org, kind: 'query'},
    kind: 'status',
    status: 403,
    body: [{errorCode: 'REQUEST_LIMIT_EXCEEDED', message: 'TotalRequests Limit exceeded.'}],
  });
  await holds(conn, 'SELECT Id FROM Contact', 'REQUEST_LIMIT_EXCEEDED', /Limit exceeded/);
});
