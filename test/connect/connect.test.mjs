// The application of docs/connect.md in a real browser, against the simulator's consent page. PGHOST and
// so on name a server with the extension, $SUPAGLUE_SIMULATOR the simulator.
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {after, before, test} from 'node:test';
import pg from 'pg';
import puppeteer from 'puppeteer-core';

const administrator = new pg.Client();
const simulator = process.env.SUPAGLUE_SIMULATOR;
let browser, server, app, page;

const row = async (statement, ...values) => (await administrator.query(statement, values)).rows[0];

before(async () => {
  await administrator.connect();
  await administrator.query(`
    CREATE EXTENSION supaglue;
    CREATE ROLE app LOGIN;
    GRANT USAGE ON SCHEMA supaglue TO app;
    GRANT EXECUTE ON FUNCTION supaglue.oauth_connect_url, supaglue.oauth_callback, supaglue.redeem_magic_link TO app`);
  process.env.PGUSER = 'app';
  process.env.PORT = '0';
  ({server} = await import('./app.mjs'));
  if (!server.listening) await once(server, 'listening');
  app = `http://127.0.0.1:${server.address().port}`;
  await row('SELECT supaglue.create_provider($1)', {
    name: 'salesforce',
    config: {
      login_url: simulator,
      oauth: {
        oauth_scopes: ['api', 'refresh_token'],
        redirect_uri: `${app}/oauth/callback`,
        credentials: {client_id: 'the app', client_secret: 'secret'},
      },
    },
  });
  for (const customer of ['acme', 'globex', 'initech']) await row('SELECT supaglue.upsert_customer($1)', customer);
  browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
});

after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
  await administrator.end();
});

// A browser of its own, with a user of the customer's signed in (null: nobody).
async function visit(customer) {
  const context = await browser.createBrowserContext();
  page = await context.newPage();
  if (customer) await context.setCookie({name: 'customer', value: customer, domain: '127.0.0.1', path: '/'});
}

async function click(selector) {
  await Promise.all([page.waitForNavigation(), page.click(selector)]);
}

// On the provider's page, with its account; then the application's page tells the outcome.
async function decide(account, button) {
  assert.ok(page.url().startsWith(`${simulator}/services/oauth2/authorize?`), page.url());
  assert.match(await page.$eval('body', (body) => body.textContent), /the app asks for access/);
  await page.$eval('[name=account]', (field, value) => { field.value = value; }, account);
  await click(button);
  const [outcome, message] = await Promise.all(
      ['#outcome', '#message'].map((id) => page.$eval(id, (element) => element.textContent)));
  return {outcome, message};
}

async function connect(customer, account, button = '#allow') {
  await visit(customer);
  await page.goto(`${app}/integrations`);
  await click('a');
  return decide(account, button);
}

const connection = (customer) => row('SELECT * FROM supaglue.connections WHERE customer_id = $1', customer);

test('a customer denies', async () => {
  const {outcome, message} = await connect('acme', 'acme', '#deny');
  assert.equal(outcome, 'denied');
  assert.equal(message, 'end-user denied authorization');
  assert.equal(await connection('acme'), undefined);
});

test('a customer allows, and the connection works', async () => {
  const {outcome} = await connect('acme', 'acme');
  assert.equal(outcome, 'connected');
  const {id, status, account_name: name} = await connection('acme');
  assert.deepEqual([status, name], ['active', 'user@acme.example.com']);
  assert.equal((await row('SELECT success FROM supaglue.test_connection($1)', id)).success, true);
});

test('the same customer again keeps the connection', async () => {
  const {id} = await connection('acme');
  assert.equal((await connect('acme', 'acme')).outcome, 'reconnected');
  assert.equal((await connection('acme')).id, id);
});

test('another account is refused', async () => {
  const {outcome, message} = await connect('acme', 'umbrella');
  assert.equal(outcome, 'wrong_account');
  assert.match(message, /user@umbrella\.example\.com.*user@acme\.example\.com/);
  assert.equal((await connection('acme')).account_name, 'user@acme.example.com');
});

test('the page that ended it ends nothing again', async () => {
  await visit('acme');
  let callback;
  page.on('request', (request) => {
    if (request.url().startsWith(`${app}/oauth/callback?`)) callback ??= request.url();
  });
  await page.goto(`${app}/connect`);
  assert.equal((await decide('acme', '#allow')).outcome, 'reconnected');
  await page.goto(callback);
  assert.equal(await page.$eval('#outcome', (element) => element.textContent), 'expired');
});

test('a browser that did not begin it cannot end it', async () => {
  await visit('globex');
  const {url} = await row(`SELECT supaglue.oauth_connect_url('globex', 'salesforce', '/integrations') AS url`);
  const state = new URL(url).searchParams.get('state');
  const answer = await page.goto(`${app}/oauth/callback?state=${state}&code=globex:code`);
  assert.equal(answer.status(), 400);
  assert.equal(await connection('globex'), undefined);
});

test('another customer who has signed in meanwhile gets nothing', async () => {
  await visit('globex');
  await page.goto(`${app}/connect`);
  await page.browserContext().setCookie({name: 'customer', value: 'initech', domain: '127.0.0.1', path: '/'});
  assert.equal((await decide('globex', '#allow')).outcome, 'expired');
  assert.equal(await connection('globex'), undefined);
  assert.equal(await connection('initech'), undefined);
});

test('nobody in particular gets nowhere', async () => {
  await visit(null);
  assert.equal((await page.goto(`${app}/connect`)).status(), 401);
});

test('a magic link connects a customer who is not signed in, once', async () => {
  const {token} = await row(`SELECT token FROM supaglue.create_magic_link('initech', 'salesforce', '/integrations')`);
  await visit(null);
  await page.goto(`${app}/link?token=${token}`);
  await page.goto(`${app}/link?token=${token}`);  // looking does not spend it
  await click('button');
  assert.equal((await decide('initech', '#allow')).outcome, 'connected');
  assert.equal((await connection('initech')).status, 'active');
  await page.goto(`${app}/link?token=${token}`);
  await click('button');
  assert.match(await page.$eval('body', (body) => body.textContent), /was used already/);
});
