// A real OAuth authorization server for the end-to-end tests: oidc-provider,
// with PKCE required of every client and refresh tokens that rotate at each
// use and take the whole grant down when one is used twice.
//
// It prints one line of JSON once it listens (issuer, admin address), and lives
// until standard input closes. The admin address is for the tests alone: clients
// for a new test, what was asked of the server since, and an outage on demand.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import Provider from 'oidc-provider';

const HOST = '127.0.0.1';
const DAY = 24 * 60 * 60;
const REVOCATION_PATH = '/revoke';
const API_SCOPES = ['api:read', 'api:write'];

// What each secret begins with, followed by its kind: harness/canary.py's.
const MARKER = 'canary';

const { values: options } = parseArgs({
  options: {
    // Provider ids whose loopback redirect the clients register.
    'provider-id': { type: 'string', multiple: true, default: [] },
    // Seconds an access token lives.
    'access-token-ttl': { type: 'string', default: '3600' },
    // Milliseconds each token request takes, so that races are real.
    'token-delay': { type: 'string', default: '0' },
    // Dynamic client registration (RFC 7591).
    registration: { type: 'boolean', default: false },
    // The scopes of requests that name none; answers do not name them either.
    'fixed-scope': { type: 'string' },
    // Resource indicators (RFC 8707).
    'resource-indicators': { type: 'boolean', default: false },
  },
});

function marked(kind, secret = randomBytes(32).toString('base64url')) {
  return `${MARKER}-${kind}-${secret}`;
}

// Native clients may use any port of a loopback redirect (RFC 8252, section
// 7.3), so the port is left out.
function client(authMethod) {
  return {
    client_id: `e2e-${randomBytes(6).toString('hex')}`,
    ...(authMethod === 'none' ? {} : { client_secret: marked('client_secret') }),
    token_endpoint_auth_method: authMethod,
    application_type: 'native',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: options['provider-id'].map((id) => `http://${HOST}/host-oauth-callback/${id}`),
  };
}

function configuration() {
  return {
    scopes: ['openid', 'offline_access', ...API_SCOPES],
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    // The account's label is read from the id token, so the claims are in it.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    rotateRefreshToken: true,
    // Beside the token endpoint, where many providers have it.
    routes: { revocation: REVOCATION_PATH },
    // Without `prompt=consent` the server drops `offline_access` (OpenID
    // Connect Core 1.0, section 11). Clients that cannot send it get a refresh
    // token all the same, and one scope less than they asked for.
    issueRefreshToken: () => true,
    expiresWithSession: () => false,
    ttl: {
      AccessToken: Number(options['access-token-ttl']),
      AuthorizationCode: 60,
      Grant: DAY,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: DAY,
      Session: DAY,
    },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@people.test`, email_verified: true }),
    }),
    features: {
      devInteractions: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      registration: {
        enabled: options.registration,
        secretFactory: () => marked('client_secret'),
      },
      resourceIndicators: {
        enabled: options['resource-indicators'],
        getResourceServerInfo: (_ctx, resource) => ({
          scope: API_SCOPES.join(' '),
          audience: resource,
          accessTokenFormat: 'opaque',
          accessTokenTTL: Number(options['access-token-ttl']),
        }),
      },
    },
  };
}

// Marks every code and token.
function markTokens({ AccessToken, AuthorizationCode, RefreshToken, RegistrationAccessToken }) {
  const kinds = {
    access_token: AccessToken,
    authorization_code: AuthorizationCode,
    refresh_token: RefreshToken,
    registration_access_token: RegistrationAccessToken,
  };
  for (const [kind, { prototype }] of Object.entries(kinds)) {
    const { generateTokenId } = prototype;
    prototype.generateTokenId = function markedTokenId() {
      return marked(kind, generateTokenId.call(this));
    };
  }
}

// Grants fixed scopes, as the permissions of a GitHub App are.
async function fixScope(ctx, next) {
  const isFixed = Boolean(options['fixed-scope']);
  if (isFixed && ctx.path === '/auth' && !ctx.query.scope) {
    ctx.query = { ...ctx.query, scope: options['fixed-scope'] };
  }
  await next();
  if (isFixed && ctx.path === '/token' && ctx.body) delete ctx.body.scope;
}

// Keeps each request to the token and revocation endpoints with its answer.
function record(requests) {
  return async (ctx, next) => {
    const isToken = ctx.path === '/token';
    if (isToken) await pause(Number(options['token-delay']));
    await next();
    if (!isToken && ctx.path !== REVOCATION_PATH) return;
    requests.push({
      endpoint: isToken ? 'token' : 'revocation',
      authorization: ctx.get('authorization').split(' ')[0] || null,
      client_id: ctx.oidc?.client?.clientId ?? null,
      params: { ...ctx.oidc?.params },
      status: ctx.status,
      answer: ctx.body || null,
    });
  };
}

async function listen(server, port = 0) {
  server.listen(port, HOST);
  await once(server, 'listening');
  return server.address().port;
}

function close(server) {
  const closed = new Promise((resolve) => { server.close(resolve); });
  server.closeAllConnections();
  return closed;
}

// Forgets what was asked, and registers a client for each way to authenticate.
async function beginTest(provider, requests) {
  requests.length = 0;
  const clients = ['client_secret_post', 'client_secret_basic', 'none'].map(client);
  await Promise.all(clients.map((each) => provider.Client.adapter.upsert(each.client_id, each)));
  return clients.map(({ client_id, client_secret, token_endpoint_auth_method }) => ({
    client_id, client_secret: client_secret ?? null, auth_method: token_endpoint_auth_method,
  }));
}

function adminServer(actions) {
  return http.createServer(async (request, response) => {
    const action = actions[`${request.method} ${request.url}`];
    response.statusCode = action ? 200 : 404;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify((await action?.()) ?? null));
  });
}

const requests = [];

// The issuer's name holds the port, so the port is taken first.
const publicServer = http.createServer();
const port = await listen(publicServer);
const issuer = `http://${HOST}:${port}`;
const provider = new Provider(issuer, configuration());
markTokens(provider);
provider.use(record(requests));
provider.use(fixScope);
publicServer.on('request', provider.callback());

const adminPort = await listen(adminServer({
  'POST /tests': () => beginTest(provider, requests),
  'GET /requests': () => requests,
  'POST /outage': () => close(publicServer),
  'DELETE /outage': () => publicServer.listening || listen(publicServer, port),
}));

console.log(JSON.stringify({ issuer, admin: `http://${HOST}:${adminPort}` }));

process.stdin.resume();
await once(process.stdin, 'end');
process.exit(0);
