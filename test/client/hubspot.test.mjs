// HubSpot's own protocol, spoken by HubSpot's own client: what it makes of the simulator's answers
// is what it would make of HubSpot's, compared with the records as the simulator holds them.
import {Client} from '@hubspot/api-client';
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import test from 'node:test';

import {Simulator} from './simulator.mjs';

const simulator = await Simulator.start('--records', '20,contacts=250,deals=60,owners=7');
const client = (org, more = {}) =>
    new Client({accessToken: `pat-${org}`, basePath: simulator.url, ...more});
const control = (name, org, document = {}) =>
    simulator.control(name, {provider: 'hubspot', org, ...document});
const truth = (org, object, more = '') =>
    simulator.records(org, object, `&provider=hubspot${more}`);
const ids = (records) => records.map((record) => record.id);
const names_of = async (hubspot, type) =>
    (await hubspot.crm.properties.coreApi.getAll(type)).results.map((property) => property.name);
const get = (path, token, headers = {}) => fetch(simulator.url + path, {
  headers: {authorization: `Bearer ${token}`, ...headers},
});
const post = (path, token, body) => fetch(simulator.url + path, {
  method: 'POST',
  headers: {authorization: `Bearer ${token}`, 'content-type': 'application/json'},
  body: JSON.stringify(body),
});
const refused = (promise, code, category, pattern = /./) => assert.rejects(promise, (error) => {
  assert.equal(error.code, code);
  assert.equal(error.body.category, category);
  assert.match(error.body.message, pattern);
  assert.equal(error.body.status, 'error');
  assert.match(error.body.correlationId, /^[0-9a-f-]{36}$/);
  return true;
});

// --- Types: the raw form, made here from what the client read ------------------------------------
function typed(type, value) {
  if (value === null || value === undefined) return null;
  if (['string', 'enumeration', 'phone_number'].includes(type)) return value;
  if (value === '') return null;
  if (type === 'number')
    return /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(value) ? Number(value) : value;
  if (type === 'bool') return {true: true, false: false}[value] ?? value;
  const ms = /^-?\d+$/.test(value) ? new Date(Number(value)).toISOString() : null;
  if (ms === null) return value;
  return type === 'date' ? ms.slice(0, 10) : ms;
}

async function raw_form(hubspot, type, records) {
  const {results} = await hubspot.crm.properties.coreApi.getAll(type);
  return records.map((record) => {
    const raw = {
      id: record.id,
      properties: Object.fromEntries(
          results.map(({name, type: of}) => [name, typed(of, record.properties[name])])),
      createdAt: record.createdAt.toISOString(),
      updatedAt: record.updatedAt.toISOString(),
      archived: record.archived,
    };
    if (record.archivedAt) raw.archivedAt = record.archivedAt.toISOString();
    return raw;
  });
}

// --- OAuth ---------------------------------------------------------------------------------------
const redirect_uri = 'https://app.example.com/callback?from=hubspot';
const tokens = (hubspot) => hubspot.oauth.tokensApi;
const bad_grant = (promise, status) => assert.rejects(promise, (error) => {
  assert.deepEqual([error.code, error.body.status], [400, status]);
  return true;
});

test('a refresh token gives access tokens, which say whose they are and expire', async () => {
  const hubspot = client('');
  const grant = await tokens(hubspot).create(
      'refresh_token', undefined, undefined, 'client', 'secret', 'acme:1');
  assert.deepEqual(
      [grant.refreshToken, grant.expiresIn, grant.tokenType], ['acme:1', 1800, 'bearer']);
  assert.ok(grant.accessToken.length > 200 && grant.accessToken.length <= 300);
  const info = await hubspot.oauth.accessTokensApi.get(grant.accessToken);
  const {hubId} = await hubspot.oauth.refreshTokensApi.get('acme:1');
  assert.deepEqual([info.hubId, info.tokenType], [hubId, 'access']);
  const details = await (await get('/account-info/v3/details', grant.accessToken)).json();
  assert.equal(details.portalId, hubId);
  assert.ok(info.scopes.includes('crm.objects.contacts.read'));
  hubspot.setAccessToken(grant.accessToken);
  assert.equal((await hubspot.crm.contacts.basicApi.getPage()).results.length, 10);
  await control('expire_tokens', 'acme');
  await refused(hubspot.crm.contacts.basicApi.getPage(), 401, 'EXPIRED_AUTHENTICATION', /expired/);
  hubspot.setAccessToken('nobody');
  await refused(hubspot.crm.contacts.basicApi.getPage(), 401, 'INVALID_AUTHENTICATION');
});

test('how long access tokens live can be told', async () => {
  await control('token_ttl', '', {ms: 60000});
  const grant = () =>
      tokens(client('')).create('refresh_token', undefined, undefined, 'client', 'secret', 'ttl');
  const {accessToken, expiresIn} = await grant();
  assert.equal(expiresIn, 60);
  assert.equal((await get('/crm/v3/owners', accessToken)).status, 200);
  await simulator.control('clock', {offset_seconds: 61});
  const answer = await get('/crm/v3/owners', accessToken);
  await simulator.control('clock', {offset_seconds: 0});
  await control('token_ttl', '', {ms: 1800000});
  assert.deepEqual(
      [answer.status, (await answer.json()).category], [401, 'EXPIRED_AUTHENTICATION']);
  assert.equal((await grant()).expiresIn, 1800);
});

test('grants that are refused', async () => {
  const create = (...parameters) => tokens(client('')).create(...parameters);
  const none = undefined;
  await bad_grant(
      create('refresh_token', none, none, 'client', 'secret', 'no/org'), 'BAD_REFRESH_TOKEN');
  await bad_grant(create('refresh_token', none, none, 'client', none, 'acme'), 'BAD_CLIENT_SECRET');
  await bad_grant(create('refresh_token', none, none, none, 'secret', 'acme'), 'BAD_CLIENT_ID');
  await bad_grant(
      create('authorization_code', 'acme:x', none, 'client', 'secret'), 'BAD_REDIRECT_URI');
  await bad_grant(create('password', none, none, 'client', 'secret'), 'BAD_GRANT_TYPE');
  const hubspot = client('');
  await hubspot.oauth.refreshTokensApi.archive('gone:1');
  await bad_grant(
      create('refresh_token', none, none, 'client', 'secret', 'gone:1'), 'BAD_REFRESH_TOKEN');
  await control('revoke', 'revoked');
  await bad_grant(
      create('refresh_token', none, none, 'client', 'secret', 'revoked'), 'BAD_REFRESH_TOKEN');
  await refused(client('revoked').crm.contacts.basicApi.getPage(), 401, 'INVALID_AUTHENTICATION');
  await control('revoke', 'revoked', {revoked: false});
  assert.equal((await client('revoked').crm.contacts.basicApi.getPage()).results.length, 10);
});

test('the newer token endpoint takes its parameters in the body only', async () => {
  const form = new URLSearchParams(
      {grant_type: 'refresh_token', client_id: 'c', client_secret: 's', refresh_token: 'acme'});
  const v3 = `${simulator.url}/oauth/v3/token`;
  const good = await (await fetch(v3, {method: 'POST', body: form})).json();
  assert.equal(good.token_use, 'access_token');
  const bad = await fetch(`${v3}?${form}`, {method: 'POST'});
  assert.deepEqual([bad.status, (await bad.json()).error], [400, 'invalid_request']);
  const v1 = await fetch(`${simulator.url}/oauth/v1/token?${form}`, {method: 'POST'});
  assert.equal(v1.status, 200);
  const about = async (path, token) => (await fetch(`${v3}/${path}`, {
                                         method: 'POST',
                                         body: new URLSearchParams({token}),
                                       })).json();
  const {active, hub_id} = await about('introspect', good.access_token);
  assert.deepEqual([active, hub_id], [true, good.hub_id]);
  await about('revoke', good.access_token);
  assert.equal((await about('introspect', good.access_token)).active, false);
});

// What a browser would do with the consent page.
async function consent(decision, org = 'consenting', client_id = 'client') {
  const params = {client_id, redirect_uri, scope: 'oauth crm.objects.contacts.read', state: 's&1'};
  const page = await fetch(`${
      client('')
          .oauth.getAuthorizationUrl(client_id, redirect_uri, params.scope, undefined, params.state)
          .replace('https://app.hubspot.com', simulator.url)}`);
  const html = await page.text();
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type'), /^text\/html/);
  assert.match(html, /<button id="allow"[^>]*>Allow<.*<button id="deny"[^>]*>Deny</);
  const form = new URLSearchParams();
  for (const [, name, value] of html.matchAll(/name="([^"]+)" value="([^"]*)"/g))
    if (name !== 'decision') form.set(name, value.replaceAll('&amp;', '&'));
  form.set('account', org);
  form.set('decision', decision);
  const answer = await fetch(`${simulator.url}/oauth/authorize`, {
    method: 'POST',
    body: form,
    redirect: 'manual',
  });
  assert.equal(answer.status, 302);
  const location = new URL(answer.headers.get('location'));
  assert.equal(location.origin + location.pathname, 'https://app.example.com/callback');
  assert.equal(location.searchParams.get('from'), 'hubspot');
  assert.equal(location.searchParams.get('state'), 's&1');
  return location.searchParams;
}

test('consent: allowed, the code is good once, for the same client and address', async () => {
  const exchange = (code, uri = redirect_uri, id = 'client') =>
      tokens(client('')).create('authorization_code', code, uri, id, 'secret');
  const code = (await consent('allow')).get('code');
  const {accessToken, refreshToken} = await exchange(code);
  assert.equal((await get('/crm/v3/owners', accessToken)).status, 200);
  assert.match(refreshToken, /^consenting:/);
  await bad_grant(exchange(code), 'BAD_AUTH_CODE');
  await bad_grant(
      exchange((await consent('allow')).get('code'), 'https://evil.example.com/'),
      'MISMATCH_REDIRECT_URI_AUTH_CODE');
  await bad_grant(
      exchange((await consent('allow')).get('code'), redirect_uri, 'another'),
      'MISMATCH_CLIENT_ID');
  const late = (await consent('allow')).get('code');
  await simulator.control('clock', {offset_seconds: 601});
  const refusal = bad_grant(exchange(late), 'EXPIRED_AUTH_CODE');
  await refusal.finally(() => simulator.control('clock', {offset_seconds: 0}));
});

test('consent: denied, and asked for wrongly', async () => {
  const denied = await consent('deny');
  assert.deepEqual([denied.get('error'), denied.get('code')], ['access_denied', null]);
  const page = await fetch(`${simulator.url}/oauth/authorize?client_id=x&scope=%3Cb%3E`);
  assert.equal(page.status, 400);
  assert.match(await page.text(), /redirect_uri/);
});

// --- Lists and reads -----------------------------------------------------------------------------
for (const type of ['contacts', 'companies', 'deals', 'tickets'])
  test(`all ${type}, page by page, with all properties, are the truth`, async () => {
    const hubspot = client('acme');
    const names = await names_of(hubspot, type);
    const all = await hubspot.crm[type].getAll(100, undefined, names);
    assert.equal(all.length, {contacts: 250, deals: 60}[type] ?? 20);
    assert.deepEqual(ids(all), ids(all).sort((a, b) => a - b));
    assert.notDeepEqual(ids(all), ids(all).sort());
    for (const {properties} of all)
      for (const value of Object.values(properties))
        assert.ok(value === null || typeof value === 'string');
    assert.deepEqual(await raw_form(hubspot, type, all), await truth('acme', type));
  });

test('numbers are now and then none, and stamps now and then milliseconds', async () => {
  const all = await client('acme').crm.contacts.getAll(
      100, undefined, ['credit_score', 'recent_deal_amount', 'contract_start', 'last_demo_at']);
  const has = (name, pattern) =>
      assert.ok(all.some(({properties}) => pattern.test(properties[name] ?? '')), pattern);
  has('credit_score', /^\d{1,3}(,\d{3})+$/);
  has('credit_score', /^1;2;3$/);
  has('recent_deal_amount', /^\d+\.\d\d$/);
  has('contract_start', /^\d{4}-\d\d-\d\d$/);
  has('contract_start', /^\d+00000$/);
  has('last_demo_at', /^\d{13}$/);
  has('last_demo_at', /Z$/);
  assert.ok(all.some(({properties}) => properties.contract_start === null));
  assert.ok(all.some(({properties}) => properties.contract_start === ''));
});

test('what a page has: defaults, what is named, nothing that is unknown', async () => {
  const {basicApi} = client('acme').crm.contacts;
  const page = await basicApi.getPage();
  assert.equal(page.results.length, 10);
  assert.deepEqual(Object.keys(page.results[0].properties), [
    'createdate',
    'email',
    'firstname',
    'hs_object_id',
    'lastmodifieddate',
    'lastname',
  ]);
  assert.equal(page.paging.next.after, page.results[9].id);
  const {results: [one]} = await basicApi.getPage(1, undefined, ['phone', 'nothing', 'city']);
  assert.deepEqual(Object.keys(one.properties), [
    'city',
    'createdate',
    'hs_object_id',
    'lastmodifieddate',
    'phone',
  ]);
  const link = new URL(page.paging.next.link);
  assert.equal(
      (await (await get(link.pathname + link.search, 'pat-acme')).json()).results[0].id,
      (await basicApi.getPage(1, page.paging.next.after)).results[0].id);
  await refused(basicApi.getPage(101), 400, 'VALIDATION_ERROR');
  await refused(basicApi.getPage(10, 'x'), 400, 'VALIDATION_ERROR');
  await refused(
      client('acme').crm.objects.basicApi.getPage('nonsense'), 400, 'VALIDATION_ERROR',
      /Unable to infer object type from: nonsense/);
});

test('a list misses nothing while records come and go', async () => {
  const hubspot = client('moving');
  const {basicApi} = hubspot.crm.companies;
  const first = await basicApi.getPage(5);
  await control('delete', 'moving', {object: 'companies', id: ids(first.results).slice(0, 3)});
  await control('insert', 'moving', {object: 'companies', records: [{name: 'New'}]});
  const rest = await hubspot.crm.companies.getAll(5, first.paging.next.after);
  assert.equal(rest.length, 16);
  assert.equal(new Set([...ids(first.results), ...ids(rest)]).size, 21);
});

test('one record, by its id or a unique property; and none', async () => {
  const {basicApi} = client('acme').crm.contacts;
  const [first] = await truth('acme', 'contacts', '&associations=companies,deals');
  const one = await basicApi.getById(first.id, ['email'], undefined, ['companies', 'deals']);
  assert.equal(one.properties.email, first.properties.email);
  for (const type of ['companies', 'deals'])
    assert.deepEqual(
        [...new Set(ids(one.associations[type].results))].sort(), first.associations[type]);
  const none = undefined;
  const by_email = await basicApi.getById(
      first.properties.email.toUpperCase(), none, none, none, false, 'email');
  assert.equal(by_email.id, first.id);
  await refused(basicApi.getById('1'), 404, 'OBJECT_NOT_FOUND');
  await refused(basicApi.getById('x', none, none, none, false, 'city'), 400, 'VALIDATION_ERROR');
});

test('associations in a list: with a label and without, both ways', async () => {
  const hubspot = client('acme');
  const type = (to) => new Set(to.associations.companies.results.map((one) => one.type));
  const contacts = await hubspot.crm.contacts.getAll(100, undefined, [], [], ['companies']);
  assert.deepEqual([...type(contacts[0])], ['contact_to_company', 'contact_to_company_unlabeled']);
  assert.ok(contacts.some((contact) => !contact.associations));
  const there = new Set(contacts.flatMap(
      ({id, associations}) =>
          ids(associations?.companies?.results ?? []).map((to) => `${id} ${to}`)));
  const companies = await hubspot.crm.companies.getAll(100, undefined, [], [], ['contacts']);
  const back = new Set(companies.flatMap(
      ({id, associations}) =>
          ids(associations?.contacts?.results ?? []).map((to) => `${to} ${id}`)));
  assert.deepEqual([...there].sort(), [...back].sort());
  assert.deepEqual(
      await truth('acme', 'contacts', '&associations=companies')
          .then(
              (all) => all.flatMap(
                              ({id, associations}) =>
                                  (associations?.companies ?? []).map((to) => `${id} ${to}`))
                           .sort()),
      [...there].sort());
});

test('batch read: in no promised order, each once, 207 when some are missing', async () => {
  const {batchApi} = client('acme').crm.contacts;
  const read = (wanted, more = {}) => batchApi.read({
    inputs: wanted.map((id) => ({id})),
    properties: ['email'],
    propertiesWithHistory: [],
    ...more,
  });
  const all = ids(await truth('acme', 'contacts'));
  const found = await read([all[5], all[2], all[5]]);
  assert.deepEqual(
      [ids(found.results), found.status, found.numErrors],
      [[all[2], all[5]], 'COMPLETE', undefined]);
  assert.deepEqual(
      Object.keys(found.results[0].properties),
      ['createdate', 'email', 'hs_object_id', 'lastmodifieddate']);
  const partly = await read([all[0], '5', '6']);
  assert.deepEqual(
      [ids(partly.results), partly.numErrors, partly.errors[0].context.ids],
      [[all[0]], 1, ['5', '6']]);
  const by_email = await read([found.results[0].properties.email], {idProperty: 'email'});
  assert.deepEqual(ids(by_email.results), [all[2]]);
  assert.equal((await read(all.slice(0, 100))).results.length, 100);
  await refused(read(all.slice(0, 101)), 400, 'VALIDATION_ERROR');
  const answer =
      await post('/crm/v3/objects/contacts/batch/read', 'pat-acme', {inputs: [{id: '5'}]});
  assert.equal(answer.status, 207);
});

test('archived records are in a list of their own, and come back', async () => {
  const hubspot = client('archive');
  const {basicApi} = hubspot.crm.contacts;
  const all = ids(await truth('archive', 'contacts'));
  await basicApi.archive(all[3]);
  await basicApi.archive('5');
  await control('delete', 'archive', {object: 'contacts', id: [all[7], all[9]]});
  const archived = await hubspot.crm.contacts.getAll(
      2, undefined, await names_of(hubspot, 'contacts'), undefined, undefined, true);
  assert.deepEqual(ids(archived), [all[3], all[7], all[9]]);
  assert.ok(archived.every((one) => one.archived && Date.now() - one.archivedAt < 60000));
  assert.equal((await hubspot.crm.contacts.getAll(100)).length, 247);
  assert.deepEqual(
      await raw_form(hubspot, 'contacts', archived),
      (await truth('archive', 'contacts', '&deleted=1')).filter((one) => one.archived));
  await refused(basicApi.getById(all[3]), 404, 'OBJECT_NOT_FOUND');
  const none = undefined;
  assert.equal((await basicApi.getById(all[3], none, none, none, true)).archived, true);
  const [before] = await truth('archive', 'contacts', '&deleted=1')
                       .then((records) => records.filter(({id}) => id === all[3]));
  await control('undelete', 'archive', {object: 'contacts', id: all[3]});
  const back = await basicApi.getById(all[3]);
  assert.deepEqual([back.archived, back.archivedAt], [false, undefined]);
  assert.ok(back.updatedAt.toISOString() > before.updatedAt);
  await control('delete', 'archive', {object: 'contacts', id: all[7], hard: true});
  assert.equal((await hubspot.crm.contacts.getAll(100, none, none, none, none, true)).length, 1);
});

// --- Writing -------------------------------------------------------------------------------------
test('create, update, in batches too: stamps move, and the truth is what was written', async () => {
  const hubspot = client('writing');
  const {basicApi, batchApi} = hubspot.crm.contacts;
  const company = (await hubspot.crm.companies.basicApi.getPage(1)).results[0].id;
  const types = [{associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 279}];
  const made = await basicApi.create({
    properties: {firstname: 'Nina', email: 'nina@example.com', credit_score: '12.50'},
    associations: [{to: {id: company}, types}],
  });
  const changed = await basicApi.update(made.id, {properties: {city: 'Łódź', firstname: ''}});
  assert.ok(changed.updatedAt > made.updatedAt);
  const [record] = (await truth('writing', 'contacts', '&associations=companies'))
                       .filter(({id}) => id === made.id);
  const {firstname, city, credit_score, lastname} = record.properties;
  assert.deepEqual([firstname, city, credit_score, lastname], ['', 'Łódź', 12.5, null]);
  assert.deepEqual(record.associations, {companies: [company]});
  assert.equal(record.updatedAt, changed.updatedAt.toISOString());
  const two = await batchApi.create({
    inputs: ['a', 'b'].map((lastname) => ({properties: {lastname}, associations: []})),
  });
  const inputs = two.results.map(({id}) => ({id, properties: {lastname: `x${id}`}}));
  await batchApi.update({inputs});
  const last = (await truth('writing', 'contacts')).slice(-2);
  assert.deepEqual(
      last.map(({properties}) => properties.lastname), ids(last).map((id) => `x${id}`));
  await batchApi.archive({inputs: ids(last).map((id) => ({id}))});
  assert.equal((await truth('writing', 'contacts')).length, 251);
  await refused(
      basicApi.create({properties: {nothing: '1'}, associations: []}), 400, 'VALIDATION_ERROR',
      /PROPERTY_DOESNT_EXIST/);
  await refused(
      basicApi.update(made.id, {properties: {credit_score: 'x'}}), 400, 'VALIDATION_ERROR',
      /not a valid number/);
  await refused(
      basicApi.update(made.id, {properties: {hs_object_id: '1'}}), 400, 'VALIDATION_ERROR',
      /READ_ONLY/);
  await refused(basicApi.update('5', {properties: {}}), 404, 'OBJECT_NOT_FOUND');
});

test('a merge makes a new record of two, and their ids lead to it', async () => {
  const {basicApi} = client('merging').crm.contacts;
  const [one, two, three] = await truth('merging', 'contacts', '&associations=companies');
  const made = await basicApi.merge({primaryObjectId: one.id, objectIdToMerge: two.id});
  const now = await truth('merging', 'contacts', '&associations=companies');
  assert.equal(now.length, 249);
  assert.deepEqual(now[0], three);
  const merged = now.at(-1);
  assert.equal(merged.id, made.id);
  assert.equal(merged.properties.email, one.properties.email);
  assert.equal(merged.properties.hs_merged_object_ids, `${one.id};${two.id}`);
  assert.deepEqual(
      merged.associations.companies,
      [...one.associations.companies, ...two.associations.companies].sort());
  assert.equal((await basicApi.getById(one.id)).id, made.id);
  assert.equal((await basicApi.getById(two.id)).id, made.id);
  const gone = await basicApi.getPage(100, undefined, [], [], [], true);
  assert.deepEqual(gone.results, []);
  await refused(
      basicApi.merge({primaryObjectId: one.id, objectIdToMerge: two.id}), 404, 'OBJECT_NOT_FOUND');
});

test('a merge as it was: the first record takes in the second', async () => {
  const {basicApi} = client('surviving').crm.contacts;
  const [one, two] = await truth('surviving', 'contacts');
  const answer = await control('merge', 'surviving', {
    object: 'contacts',
    id: one.id,
    loser: two.id,
    keeps_id: true,
  });
  assert.deepEqual(answer.ids, [one.id]);
  const now = await truth('surviving', 'contacts');
  assert.equal(now.length, 249);
  assert.equal(now[0].properties.hs_merged_object_ids, two.id);
  assert.ok(now[0].updatedAt > one.updatedAt);
  assert.equal((await basicApi.getById(two.id)).id, one.id);
});

test('who is forgotten leaves nothing behind', async () => {
  const hubspot = client('forgetting');
  const [one] = await truth('forgetting', 'contacts');
  await hubspot.crm.contacts.basicApi.purge({objectId: one.id});
  assert.equal((await truth('forgetting', 'contacts', '&deleted=1')).length, 249);
});

// --- Search --------------------------------------------------------------------------------------
const search = (org, type, filters, more = {}) => client(org).crm[type].searchApi.doSearch({
  filterGroups: filters.length ? [{filters}] : [],
  sorts: [],
  properties: [],
  limit: 200,
  after: 0,
  ...more,
});
const where = (propertyName, operator, value, more = {}) =>
    ({propertyName, operator, value, ...more});

test('search: what operators find is what a filter of the truth finds', async () => {
  const all = await truth('acme', 'contacts');
  const middle = all[100].properties.lastmodifieddate;
  const ms = String(Date.parse(middle));
  const later = all.filter((one) => one.properties.lastmodifieddate >= middle);
  const lifecycle = all[0].properties.lifecyclestage;
  const cases = [
    [[where('lastmodifieddate', 'GTE', ms)], later],
    [[where('lastmodifieddate', 'GTE', middle)], later],
    [[where('lastmodifieddate', 'GT', ms)], later.filter(({id}) => id !== all[100].id)],
    [[where('lastmodifieddate', 'LT', ms)], all.filter((one) => !later.includes(one))],
    [
      [where('hs_object_id', 'BETWEEN', '998', {highValue: '1003'})],
      all.filter(({id}) => id >= 998 && id <= 1003)
    ],
    [
      [where('hs_object_id', 'GTE', '1000'), where('lastmodifieddate', 'GTE', ms)],
      later.filter(({id}) => id >= 1000)
    ],
    [
      [where('lifecyclestage', 'EQ', lifecycle)],
      all.filter((one) => one.properties.lifecyclestage === lifecycle)
    ],
    [
      [where('lifecyclestage', 'NOT_HAS_PROPERTY')],
      all.filter((one) => !one.properties.lifecyclestage)
    ],
    [[where('jobtitle', 'HAS_PROPERTY')], all.filter((one) => one.properties.jobtitle)],
    [
      [where(
          'lastname', 'IN', undefined,
          {values: ['kim 5', 'Kim 6', all[3].properties.lastname.toLowerCase()]})],
      all.filter(
          (one) => ['kim 5', all[3].properties.lastname.toLowerCase()].includes(
              one.properties.lastname.toLowerCase()))
    ],
    [
      [where('lastname', 'CONTAINS_TOKEN', 'KI*')],
      all.filter((one) => /\bki/i.test(one.properties.lastname))
    ],
    [
      [where('hs_email_optout', 'EQ', 'true')],
      all.filter((one) => one.properties.hs_email_optout === true)
    ],
  ];
  for (const [filters, expected] of cases) {
    const found = await search('acme', 'contacts', filters);
    const rest = found.paging ? await search('acme', 'contacts', filters, {after: 200}) : null;
    assert.equal(found.total, expected.length, JSON.stringify(filters));
    assert.deepEqual([...ids(found.results), ...ids(rest?.results ?? [])], ids(expected));
  }
});

test('search: groups are alternatives, the order is asked for, text is looked for', async () => {
  const all = await truth('acme', 'contacts');
  const either = await search('acme', 'contacts', [], {
    filterGroups: ['991', '1005'].map((id) => ({filters: [where('hs_object_id', 'EQ', id)]})),
    sorts: [{propertyName: 'hs_object_id', direction: 'DESCENDING'}],
  });
  assert.deepEqual(ids(either.results), ['1005', '991']);
  const sorted = await search('acme', 'contacts', [], {
    sorts: [{propertyName: 'lastmodifieddate', direction: 'ASCENDING'}],
  });
  const stamps = all.map((one) => one.properties.lastmodifieddate).sort();
  assert.deepEqual(
      sorted.results.map((one) => one.properties.lastmodifieddate), stamps.slice(0, 200));
  const text = await search('acme', 'contacts', [], {query: 'person.17@'});
  assert.deepEqual(text.results.map((one) => one.properties.email), ['person.17@example.com']);
});

test('search: what is refused', async () => {
  const no = (filters, more) =>
      refused(search('acme', 'contacts', filters, more), 400, 'VALIDATION_ERROR');
  const id = where('hs_object_id', 'GTE', '0');
  await no([], {limit: 201});
  await no([where('nothing', 'EQ', '1')]);
  await no([where('email', 'LIKE', '1')]);
  await no([where('lastmodifieddate', 'GTE', 'yesterday')]);
  await no(Array(7).fill(id));
  await no([], {filterGroups: Array(6).fill({filters: [id]})});
  await no([], {sorts: ['email', 'lastname']});
});

test('search: ten thousand results and no more, by any page', async () => {
  const big = await Simulator.start('--records', 'contacts=12000');
  const {searchApi} = new Client({accessToken: 'pat-big', basePath: big.url}).crm.contacts;
  const page = (after, limit = 200) =>
      searchApi.doSearch({filterGroups: [], sorts: [], properties: ['email'], limit, after});
  const last = await page(9800);
  assert.deepEqual(
      [last.total, last.results.length, last.paging.next.after], [12000, 200, '10000']);
  assert.equal(last.results[0].id, String(991 + 9800));
  await refused(page(10000), 400, 'VALIDATION_ERROR');
  await refused(page(9801), 400, 'VALIDATION_ERROR');
  assert.equal((await page(9999, 1)).results.length, 1);
});

test('search: the index lags, lists do not', async () => {
  const [one, two] = await truth('lagging', 'contacts');
  await control('index_lag', 'lagging', {ms: 600000});
  const hubspot = client('lagging');
  await hubspot.crm.contacts.basicApi.update(one.id, {properties: {city: 'Now'}});
  await hubspot.crm.contacts.basicApi.archive(two.id);
  await hubspot.crm.contacts.basicApi.create({properties: {city: 'Now'}, associations: []});
  const now = () => search('lagging', 'contacts', [where('city', 'EQ', 'Now')]);
  assert.equal((await now()).total, 0);
  assert.equal((await search('lagging', 'contacts', [])).total, 250);
  const listed = await hubspot.crm.contacts.getAll(100, undefined, ['city']);
  assert.equal(listed.filter(({properties}) => properties.city === 'Now').length, 2);
  await simulator.control('clock', {offset_seconds: 601});
  const then = await now();
  await simulator.control('clock', {offset_seconds: 0});
  assert.equal(then.total, 2);
  await control('index_lag', 'lagging', {ms: 0});
  assert.equal(
      (await search('lagging', 'contacts', [where('hs_object_id', 'EQ', two.id)])).total, 0);
});

// --- What there is -------------------------------------------------------------------------------
test('properties: their types, options and rights; they come and go', async () => {
  const {coreApi} = client('shapes').crm.properties;
  const {results} = await coreApi.getAll('contacts');
  assert.ok(results.length >= 40);
  const types = new Set(results.map((property) => property.type));
  for (const
           type of ['string', 'number', 'bool', 'date', 'datetime', 'enumeration', 'phone_number'])
    assert.ok(types.has(type), type);
  const by_name = Object.fromEntries(results.map((property) => [property.name, property]));
  assert.ok(by_name.lifecyclestage.options.some(({value}) => value === 'lead'));
  assert.deepEqual(
      [by_name.hubspot_owner_id.externalOptions, by_name.hubspot_owner_id.referencedObjectType],
      [true, 'OWNER']);
  assert.deepEqual(
      [by_name.hs_object_id.modificationMetadata.readOnlyValue, by_name.email.hasUniqueValue],
      [true, true]);
  assert.deepEqual(
      [by_name.email.hubspotDefined, by_name.credit_score.hubspotDefined], [true, false]);
  await coreApi.create('contacts', {
    name: 'shoe_size',
    label: 'Shoe size',
    type: 'number',
    fieldType: 'number',
    groupName: 'contactinformation',
  });
  const {basicApi} = client('shapes').crm.contacts;
  const read = async () => (await basicApi.getPage(1, undefined, ['shoe_size'])).results[0];
  assert.equal((await read()).properties.shoe_size, null);
  await basicApi.update((await read()).id, {properties: {shoe_size: '43.5'}});
  assert.equal((await truth('shapes', 'contacts'))[0].properties.shoe_size, 43.5);
  await refused(
      coreApi.create('contacts', {name: 'email', type: 'string'}), 409, 'OBJECT_ALREADY_EXISTS');
  await coreApi.archive('contacts', 'shoe_size');
  assert.ok(!(await names_of(client('shapes'), 'contacts')).includes('shoe_size'));
  assert.deepEqual(
      (await coreApi.getAll('contacts', true)).results.map(({name}) => name), ['shoe_size']);
  assert.ok(!('shoe_size' in (await read()).properties));
  await refused(coreApi.getByName('contacts', 'nothing'), 404, 'OBJECT_NOT_FOUND');
  await control('add_field', 'shapes', {object: 'deals', field: {name: 'risk', type: 'bool'}});
  assert.ok((await names_of(client('shapes'), '0-3')).includes('risk'));
  await control('remove_field', 'shapes', {object: 'deals', field: 'risk'});
  assert.ok(!(await names_of(client('shapes'), 'deals')).includes('risk'));
});

test('owners: in pages, and those who left in a list of their own', async () => {
  const {ownersApi} = client('owned').crm.owners;
  const first = await ownersApi.getPage(undefined, undefined, 3);
  const second = await ownersApi.getPage(undefined, first.paging.next.after, 100);
  assert.deepEqual([first.results.length, second.results.length, second.paging], [3, 4, undefined]);
  const as_told = (await truth('owned', 'owners')).map((owner) => owner.email);
  const all = [...first.results, ...second.results];
  assert.deepEqual(all.map((owner) => owner.email), as_told);
  const owners = new Set(ids(all));
  for (const {properties} of await truth('owned', 'contacts'))
    assert.ok(!properties.hubspot_owner_id || owners.has(properties.hubspot_owner_id));
  await control('delete', 'owned', {object: 'owners', id: all[1].id});
  assert.equal((await ownersApi.getPage()).results.length, 6);
  const [left] = (await ownersApi.getPage(undefined, undefined, 100, true)).results;
  assert.deepEqual(
      [left.id, left.archived, left.userId, left.userIdIncludingInactive],
      [all[1].id, true, undefined, all[1].userId]);
  assert.equal((await ownersApi.getById(Number(all[0].id))).email, all[0].email);
  assert.deepEqual(ids((await ownersApi.getPage(all[2].email)).results), [all[2].id]);
  await refused(ownersApi.getPage(undefined, undefined, 501), 400, 'VALIDATION_ERROR');
});

test('pipelines and their stages, in which deals are; they can be told', async () => {
  const {pipelinesApi} = client('piped').crm.pipelines;
  const {results} = await pipelinesApi.getAll('deals');
  const stages = new Map(results.flatMap(
      ({id, stages: own}) => own.map((stage) => [stage.id, {...stage, pipeline: id}])));
  for (const {properties} of await truth('piped', 'deals')) {
    const stage = stages.get(properties.dealstage);
    assert.equal(stage.pipeline, properties.pipeline);
    assert.equal(properties.hs_is_closed, stage.metadata.isClosed === 'true');
    assert.equal(properties.hs_is_closed_won, stage.metadata.probability === '1.0');
  }
  const ticket = (await truth('piped', 'tickets'))[0].properties;
  const [support] = (await pipelinesApi.getAll('tickets')).results;
  assert.ok(ids(support.stages).includes(ticket.hs_pipeline_stage));
  const api = client('piped').crm.pipelines.pipelineStagesApi;
  assert.equal((await api.getById('deals', 'default', 'closedwon')).label, 'Closed Won');
  const told = JSON.parse(JSON.stringify(results));
  told[0].label = 'Vertrieb';
  told[0].stages[0].metadata.isClosed = 'true';
  await control('pipelines', 'piped', {object: 'deals', pipelines: told});
  assert.equal((await pipelinesApi.getById('deals', 'default')).label, 'Vertrieb');
  const moved = (await truth('piped', 'deals'))
                    .filter(({properties}) => properties.dealstage === told[0].stages[0].id);
  assert.ok(moved.length > 0 && moved.every(({properties}) => properties.hs_is_closed === true));
});

test('custom objects: their schemas, and their records by all their names', async () => {
  const hubspot = client('custom');
  const [cars] = (await hubspot.crm.schemas.coreApi.getAll()).results;
  assert.deepEqual([cars.name, cars.labels.plural], ['cars', 'Cars']);
  const expected = ids(await truth('custom', 'cars'));
  assert.equal(expected.length, 5);
  for (const name of [cars.objectTypeId, cars.fullyQualifiedName, 'cars', 'p_cars'])
    assert.deepEqual(ids((await hubspot.crm.objects.basicApi.getPage(name)).results), expected);
  await control(
      'add_object', 'custom', {object: 'boats', fields: [{name: 'length', type: 'number'}]});
  await control('insert', 'custom', {object: 'boats', records: [{length: '12'}]});
  const boats = (await hubspot.crm.schemas.coreApi.getAll()).results[1];
  const [boat] = (await hubspot.crm.objects.basicApi.getPage(boats.objectTypeId, 10, undefined, [
                   'length'
                 ])).results;
  assert.equal(boat.properties.length, '12');
  await control('remove_object', 'custom', {object: 'boats'});
  await refused(hubspot.crm.objects.basicApi.getPage('boats'), 400, 'VALIDATION_ERROR');
});

test('associations, version 4: in batches and one by one, told and untold', async () => {
  const {batchApi, basicApi} = client('linked').crm.associations.v4;
  const read = (inputs) => batchApi.getPage('companies', 'contacts', {inputs});
  const [one, two] = await truth('linked', 'companies', '&associations=contacts');
  const {results: [found]} = await read([{id: one.id}]);
  assert.deepEqual(found.to.map((to) => to.toObjectId).sort(), one.associations.contacts);
  assert.deepEqual(
      found.to[0].associationTypes.map(({typeId, label}) => [typeId, label]),
      [[280, null], [2, 'Primary']]);
  const some = await read([{id: two.id}, {id: '5'}]);
  assert.deepEqual([some.results.length, some.numErrors], [1, 1]);
  await control('associate', 'linked', {
    object: 'companies',
    id: one.id,
    to: 'contacts',
    to_id: one.associations.contacts[0],
    associated: false,
  });
  await control('associate', 'linked', {
    object: 'contacts',
    id: two.associations.contacts[0],
    to: 'companies',
    to_id: one.id,
  });
  const expected = [...one.associations.contacts.slice(1), two.associations.contacts[0]].sort();
  const page = await basicApi.getPage('companies', one.id, 'contacts', undefined, 2);
  const rest = await basicApi.getPage('companies', one.id, 'contacts', page.paging.next.after);
  assert.deepEqual([...page.results, ...rest.results].map((to) => to.toObjectId).sort(), expected);
  await control('delete', 'linked', {object: 'contacts', id: expected[0]});
  assert.deepEqual(
      (await truth('linked', 'companies', '&associations=contacts'))[0].associations.contacts,
      expected.slice(1));
});

test('a date may be the version', async () => {
  const same = async (one, other) => {
    const [a, b] =
        await Promise.all([one, other].map(async (path) => (await get(path, 'pat-acme')).json()));
    delete a.paging, delete b.paging;
    assert.deepEqual(a, b);
  };
  await same('/crm/v3/objects/contacts', '/crm/objects/2026-09/contacts');
  await same('/crm/v3/objects/contacts/991', '/crm/objects/2026-09/0-1/991');
  await same('/crm/v3/properties/deals', '/crm/properties/2026-03/deals');
  await same('/crm/v3/schemas', '/crm-object-schemas/v3/schemas');
});

// --- Limits, faults, counts ----------------------------------------------------------------------
test('answers tell the limits, those of a search do not', async () => {
  const answer = await get('/crm/v3/objects/contacts', 'pat-limits');
  const left = (from) => Number(from.headers.get('x-hubspot-ratelimit-daily-remaining'));
  assert.equal(answer.headers.get('x-hubspot-ratelimit-interval-milliseconds'), '10000');
  assert.equal(left(await get('/crm/v3/owners', 'pat-limits')), left(answer) - 1);
  const found = await post('/crm/v3/objects/contacts/search', 'pat-limits', {});
  assert.deepEqual([found.status, found.headers.get('x-hubspot-ratelimit-daily')], [200, null]);
});

test('faults: HubSpot\'s own words, and the client tries again', async () => {
  await simulator.control('fault', {
    match: {provider: 'hubspot', org: 'faulty', kind: 'list', object: 'contacts'},
    kind: 'status',
    status: 429,
  });
  const busy = await get('/crm/v3/objects/contacts', 'pat-faulty');
  const {policyName, errorType} = await busy.json();
  assert.deepEqual(
      [busy.status, policyName, errorType, busy.headers.get('retry-after')],
      [429, 'TEN_SECONDLY_ROLLING', 'RATE_LIMIT', null]);
  await simulator.control('fault', {match: {org: 'faulty'}, kind: 'status', status: 503, times: 2});
  const hubspot = client('faulty', {numberOfApiCallRetries: 3});
  assert.equal((await hubspot.crm.contacts.basicApi.getPage()).results.length, 10);
  await simulator.control('fault', {match: {org: 'faulty'}, kind: 'cut'});
  await assert.rejects((await get('/crm/v3/objects/contacts?limit=100', 'pat-faulty')).text());
});

test('scopes that were not granted', async () => {
  await control('scopes', 'scoped', {scopes: ['crm.objects.contacts.read']});
  const hubspot = client('scoped');
  assert.equal((await hubspot.crm.contacts.basicApi.getPage()).results.length, 10);
  assert.ok((await names_of(hubspot, 'contacts')).length > 40);
  await refused(hubspot.crm.deals.basicApi.getPage(), 403, 'MISSING_SCOPES');
  await refused(hubspot.crm.owners.ownersApi.getPage(), 403, 'MISSING_SCOPES');
  await refused(hubspot.crm.properties.coreApi.getAll('deals'), 403, 'MISSING_SCOPES');
  await control('scopes', 'scoped', {scopes: null});
  assert.equal((await hubspot.crm.deals.basicApi.getPage()).results.length, 10);
});

test('requests are counted by what they are', async () => {
  await simulator.control('reset_counters');
  const hubspot = client('counted');
  await tokens(hubspot).create('refresh_token', undefined, undefined, 'c', 's', 'counted');
  await hubspot.crm.deals.getAll(30);
  await hubspot.crm.owners.ownersApi.getPage();
  await hubspot.crm.pipelines.pipelinesApi.getAll('deals');
  await names_of(hubspot, 'deals');
  await search('counted', 'deals', []);
  await hubspot.crm.deals.batchApi.read({inputs: [], properties: [], propertiesWithHistory: []});
  await hubspot.crm.deals.basicApi.getById('99991');
  const {token, list, owners, pipelines, properties, search: searches, batch, other, requests} =
      await simulator.counters('counted');
  assert.deepEqual(
      [token, list, owners, pipelines, properties, searches, batch, other, requests],
      [1, 2, 1, 1, 1, 1, 1, 1, 9]);
});

test('a line that is too long', async () => {
  const answer = await get(`/crm/v3/objects/contacts?properties=${'x'.repeat(16000)}`, 'pat-acme');
  assert.equal(answer.status, 414);
});

test('the control endpoint refuses what makes no sense', async () => {
  const no = (name, document, pattern) => assert.rejects(control(name, 'acme', document), pattern);
  await no('insert', {object: 'nothing', records: []}, /no object 'nothing'/);
  await no('insert', {object: 'contacts', records: [{nothing: '1'}]}, /no property 'nothing'/);
  await no('update', {object: 'contacts', id: '5', set: {}}, /no record/);
  await no('update', {object: 'contacts', id: '991', sett: {}}, /unknown key 'sett'/);
  await no('update', {object: 'contacts', where: where('x', 'EQ', '1')}, /does not exist/);
  await no('rotate', {mode: 'strict'}, /no such command for HubSpot/);
  await assert.rejects(simulator.control('insert', {provider: 'pipedrive'}), /no such provider/);
  const before = await truth('told', 'contacts');
  const {count} = await control('update', 'told', {
    object: 'contacts',
    where: where('hs_object_id', 'LTE', '1000'),
    set: {city: null},
    stamp: false,
  });
  assert.equal(count, 10);
  const after = await truth('told', 'contacts');
  assert.ok(after.slice(0, 10).every((one) => one.properties.city === null));
  assert.deepEqual(after.map((one) => one.updatedAt), before.map((one) => one.updatedAt));
});

test('a million contacts, of which the same seed makes the same, need no room', async () => {
  const big = await Simulator.start('--records', 'contacts=1000000');
  const same = await Simulator.start('--records', 'contacts=1000000');
  const other = await Simulator.start('--records', 'contacts=1000000', '--seed', '2');
  const last = async (from) => (await new Client({accessToken: 'pat-big', basePath: from.url})
                                    .crm.contacts.basicApi.getPage(100, '1000985'))
                                   .results;
  const records = await last(big);
  assert.deepEqual(ids(records), ['1000986', '1000987', '1000988', '1000989', '1000990']);
  assert.deepEqual(records, await last(same));
  assert.notDeepEqual(records, await last(other));
  const status = await readFile(`/proc/${big.pid}/status`, 'utf8');
  assert.ok(Number(/VmRSS:\s+(\d+)/.exec(status)[1]) < 100000);
});
