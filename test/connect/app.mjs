// An application that lets its customers connect: two routes to begin and to end it, and two for magic links.
import http from 'node:http';
import pg from 'pg';

// The server is named by PGHOST and so on; the role needs EXECUTE on the functions, and nothing else.
const database = new pg.Pool();

async function call(statement, ...values) {
  return (await database.query(statement, values)).rows[0];
}

// Stands for your own session: which customer's user is signed in?
function signedIn(request) {
  return cookies(request).get('customer') ?? null;
}

function cookies(request) {
  const pairs = (request.headers.cookie ?? '').split('; ').map((pair) => pair.split('='));
  return new Map(pairs);
}

// Sends the browser to the provider, and remembers in it, and nowhere else, what it went with.
function goAndConsent(response, url) {
  const state = new URL(url).searchParams.get('state');
  response.writeHead(303, {
    'Location': url,
    'Set-Cookie': `connecting=${state}; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax`,
  });
  response.end();
}

function show(response, status, html) {
  response.writeHead(status, {'Content-Type': 'text/html; charset=utf-8'});
  response.end(`<!doctype html><title>App</title>${html}`);
}

const escaped = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.codePointAt(0)};`);

const routes = {
  // A button in the settings of the signed-in customer leads here.
  async 'GET /connect'(request, response) {
    const customer = signedIn(request);
    if (customer === null) return show(response, 401, 'Sign in first.');
    const {url} = await call(
        'SELECT supaglue.oauth_connect_url($1, $2, $3) AS url', customer, 'salesforce', '/integrations');
    goAndConsent(response, url);
  },

  // The provider's redirect_uri: it sends the browser back here, with a code or an error.
  async 'GET /oauth/callback'(request, response, query) {
    // A browser that did not begin this must not end it: somebody else's account would be connected.
    if (!query.has('state') || query.get('state') !== cookies(request).get('connecting')) {
      return show(response, 400, 'Begin again.');
    }
    const result = await call(
        'SELECT * FROM supaglue.oauth_callback($1, $2)', Object.fromEntries(query), signedIn(request));
    const told = new URLSearchParams({outcome: result.outcome, message: result.message});
    response.writeHead(303, {'Location': `${result.return_url ?? '/integrations'}?${told}`});
    response.end();
  },

  // The address in a mail. Scanners open it too: only the button spends the link.
  async 'GET /link'(request, response, query) {
    const token = escaped(query.get('token') ?? '');
    show(response, 200, `<form method="post" action="/link?token=${token}"><button>Connect</button></form>`);
  },

  async 'POST /link'(request, response, query) {
    try {
      const {url} = await call('SELECT supaglue.redeem_magic_link($1) AS url', query.get('token'));
      goAndConsent(response, url);
    } catch (error) {
      if (error.code !== '22023') throw error;
      show(response, 410, `Sorry, ${escaped(error.message)}. Ask for another one.`);
    }
  },

  async 'GET /integrations'(request, response, query) {
    const outcome = escaped(query.get('outcome') ?? ''), message = escaped(query.get('message') ?? '');
    show(response, 200, `<p id="outcome">${outcome}</p><p id="message">${message}</p><a href="/connect">Connect</a>`);
  },
};

export const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://app');
  const route = routes[`${request.method} ${url.pathname}`];
  try {
    if (route) await route(request, response, url.searchParams);
    else show(response, 404, 'There is nothing here.');
  } catch (error) {
    console.error(error.message);
    show(response, 500, 'Something is wrong on our side.');
  }
});

server.on('close', () => database.end());
server.listen(process.env.PORT ?? 3000, '127.0.0.1');
