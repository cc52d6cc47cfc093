// SPDX-License-Identifier: MIT
// An authorization server that is not ours, for tests: oidc-provider with rotated refresh tokens, where reuse revokes
// the grant. Grants are made with its own models, as its consent page would. What is true of them comes from its store
// and from its introspection endpoint. Usage:
// server.mjs PORT GATEWAY-PORT CLIENT-ID post|basic, the client's secret in OIDC_SECRET.
import { createServer } from 'node:http';
import { once } from 'node:events';
import Provider from 'oidc-provider';
import { Gateway } from './gateway.mjs';

const [port, gatewayPort, clientId, auth] = process.argv.slice(2);
const clientSecret = process.env.OIDC_SECRET;
const issuer = `http://127.0.0.1:${port}`;
const scope = 'openid offline_access';
const life = 86400; // of an access token, in seconds

const provider = new Provider(issuer, {
    clients: [{
        client_id: clientId,
        client_secret: clientSecret,
        token_endpoint_auth_method: `client_secret_${auth}`,
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: ['https://app.example/callback'],
    }],
    cookies: { keys: ['unused'] },
    features: { devInteractions: { enabled: false }, introspection: { enabled: true } },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    rotateRefreshToken: true,
    ttl: { AccessToken: life, IdToken: 3600, RefreshToken: 30 * 86400, Grant: 60 * 86400 },
});

const accounts = []; // { name, grantId, newest }: the newest refresh token that was issued, whoever received it
const owners = new Map(); // refresh token: its account's place in that list
const counts = { made: 0, consumed: 0, refreshed: 0, refused: 0, revoked: 0 };

provider.on('refresh_token.saved', (token) => {
    const at = accounts.findIndex((account) => account.grantId === token.grantId);
    owners.set(token.jti, at);
    accounts[at].newest = token.jti;
});
provider.on('refresh_token.consumed', () => { counts.consumed += 1; });
provider.on('grant.success', () => { counts.refreshed += 1; });
provider.on('grant.error', () => { counts.refused += 1; });
provider.on('grant.revoked', () => { counts.revoked += 1; });
provider.on('server_error', (ctx, error) => { console.error(error); });

const gateway = new Gateway(port, (token) => owners.get(token));

async function makeGrant(name) {
    const client = await provider.Client.find(clientId);
    const grant = new provider.Grant({ accountId: name, clientId });
    grant.addOIDCScope(scope);
    const account = { name, grantId: await grant.save() };
    accounts.push(account);
    counts.made += 1;
    const now = Math.floor(Date.now() / 1000);
    const shared = { accountId: name, client, grantId: account.grantId, gty: 'authorization_code', scope };
    const access = new provider.AccessToken(shared);
    const refresh = new provider.RefreshToken({ ...shared, authTime: now });
    return [name, await access.save(), await refresh.save(), now + life].join('\t');
}

// Per account: its name, whether the grant lives, and the newest refresh token where the provider would take it.
async function truth() {
    const lines = [];
    for (const { name, grantId, newest } of accounts) {
        const grant = await provider.Grant.find(grantId);
        const token = await provider.RefreshToken.find(newest);
        lines.push([name, grant ? 'lives' : 'revoked', grant && token?.isValid ? newest : '-'].join('\t'));
    }
    return lines.join('\n');
}

// A line for each token: active or inactive, in the words of the introspection endpoint (RFC 7662).
async function introspect(tokens) {
    const lines = [];
    for (const token of tokens) {
        const body = new URLSearchParams({ token });
        const headers = {};
        if (auth === 'post') {
            body.set('client_id', clientId);
            body.set('client_secret', clientSecret);
        } else {
            const pair = [clientId, clientSecret].map(encodeURIComponent).join(':');
            headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
        }
        const answer = await (await fetch(`${issuer}/token/introspection`, { method: 'POST', headers, body })).json();
        lines.push(`${token}\t${answer.active === true ? 'active' : 'inactive'}`);
    }
    return lines.join('\n');
}

// What tests ask; the answer is a text.
const routes = {
    '/_test/ready': () => 'yes',
    '/_test/grants': async (body) => {
        const { count, prefix } = JSON.parse(body);
        const lines = [];
        for (let i = 1; i <= count; i += 1) lines.push(await makeGrant(`${prefix}-${i}`));
        return lines.join('\n');
    },
    '/_test/gateway': (body) => { gateway.fault = JSON.parse(body); return 'yes'; },
    '/_test/counts': () => JSON.stringify({ ...counts, ...gateway.counts() }),
    '/_test/truth': truth,
    '/_test/introspect': (body) => introspect(body.split('\n').filter((line) => line !== '')),
};

const own = provider.callback();
createServer(async (request, response) => {
    const route = routes[request.url];
    if (!route) {
        own(request, response);
        return;
    }
    try {
        let body = '';
        for await (const part of request) body += part;
        response.end(`${await route(body)}\n`);
    } catch (error) {
        response.writeHead(500).end(`${error.stack}\n`);
    }
}).listen(port, '127.0.0.1', async () => {
    await once(gateway.server.listen(gatewayPort, '127.0.0.1'), 'listening');
    console.log('ready');
});

// It ends with the test, however that ends.
const parent = process.ppid;
setInterval(() => { if (process.ppid !== parent) process.exit(1); }, 1000);
