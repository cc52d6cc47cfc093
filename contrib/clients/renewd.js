#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// How a Node program asks renewd for tokens, calls a provider and hands events in. No packages; Node 18 or newer.
//
//   renewd.js token JOB ID [SECONDS] | get JOB ID URL | forward JOB ID PATH | events JOB ID FILE
//
// RENEWD_SOCKET, or RENEWD_URL (http://127.0.0.1:8642) and RENEWD_SECRET_FILE. Exit status: 0; 1 failed; 3 only a
// person can help; 75 try again later.
'use strict';
const fs = require('fs');
const http = require('http');
const https = require('https');

const TRIES = 4, LONGEST_WAIT = 60;

/** The account's owner has to do something; url says where, if the job names a page. */
class PersonNeeded extends Error {
    constructor(said) {
        super(said.error.message);
        this.url = said.reconnect_url;
    }
}

/** renewd or the provider wants it later than one waits. */
class Later extends Error {}

class Renewd {
    constructor(env = process.env) {
        this.socket = env.RENEWD_SOCKET;
        this.url = new URL(env.RENEWD_URL || 'http://127.0.0.1:8642');
        this.headers = {};
        if (!this.socket)
            this.headers.Authorization = 'Bearer ' + fs.readFileSync(env.RENEWD_SECRET_FILE, 'ascii').trim();
    }

    once(method, path, body) {
        const options = { method, path, headers: { ...this.headers }, timeout: 60000 };
        if (body !== undefined) {
            options.headers['Content-Type'] = 'application/json';
            options.headers['Content-Length'] = Buffer.byteLength(body);
        }
        if (this.socket)
            options.socketPath = this.socket;
        else
            Object.assign(options, { hostname: this.url.hostname, port: this.url.port });
        return new Promise((resolve, reject) => {
            const request = (!this.socket && this.url.protocol === 'https:' ? https : http).request(options, (answer) => {
                const parts = [];
                answer.on('data', (part) => parts.push(part));
                answer.on('error', reject);
                answer.on('end', () =>
                    resolve({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString() }));
            });
            request.on('timeout', () => request.destroy(new Error('renewd does not answer')));
            request.on('error', reject);
            request.end(body);
        });
    }

    async ask(method, path, body) {
        for (let attempt = 1; ; attempt++) {
            const answer = await this.once(method, path, body);
            if (answer.status !== 429 && answer.status !== 503)
                return answer;
            const wait = Number(answer.headers['retry-after']) || 1; // a provider may have said none, or a date
            if (attempt >= TRIES || wait > LONGEST_WAIT)
                throw new Later(answer.text);
            await new Promise((resolve) => setTimeout(resolve, wait * 1000));
        }
    }

    async json(wanted, method, path, body) {
        const answer = await this.ask(method, path, body);
        const said = JSON.parse(answer.text);
        if (answer.status === 409)
            throw new PersonNeeded(said);
        if (answer.status !== wanted)
            throw new Error(`renewd answered ${answer.status}: ${said.error.message}`);
        return said;
    }

    record(job, id) {
        return `/v1/jobs/${encodeURIComponent(job)}/records/${encodeURIComponent(id)}`;
    }

    token(job, id, minValid = 300) {
        return this.json(200, 'GET', `${this.record(job, id)}/token?min_valid=${minValid}`);
    }

    /** The provider refused that token: the verdict, with a newer token if it was one of the token. */
    refused(job, id, token, status, body) {
        return this.json(200, 'POST', `${this.record(job, id)}/refused`,
            JSON.stringify({ generation: token.generation, status, body }));
    }

    /** The provider's answer, asked once more when it refused the token. */
    async get(job, id, url) {
        const call = (token) => fetch(url, { redirect: 'manual', headers: { Authorization: `Bearer ${token.access_token}` } });
        const token = await this.token(job, id);
        let answer = await call(token), text = await answer.text();
        if (answer.status === 401) {
            const verdict = await this.refused(job, id, token, answer.status, text);
            if (verdict.token_refused) {
                answer = await call(verdict);
                text = await answer.text();
            }
        }
        return { status: answer.status, text };
    }

    async forward(job, id, path, method = 'GET', body = undefined) {
        const answer = await this.ask(method, `${this.record(job, id)}/forward/${path}`, body);
        if (answer.status === 409 && answer.headers['renewd-error'])
            throw new PersonNeeded(JSON.parse(answer.text));
        return answer;
    }

    events(job, id, events) {
        return this.json(202, 'POST', `${this.record(job, id)}/events`, events);
    }
}

async function main([command, job, id, ...rest]) {
    if (!['token', 'get', 'forward', 'events'].includes(command) || !id) {
        console.error('usage: renewd.js token JOB ID [SECONDS] | get JOB ID URL | forward JOB ID PATH | events JOB ID FILE');
        return 2;
    }
    const renewd = new Renewd();
    try {
        if (command === 'token')
            console.log((await renewd.token(job, id, ...rest)).access_token);
        else if (command === 'events')
            console.log(JSON.stringify(await renewd.events(job, id, fs.readFileSync(rest[0], 'utf8'))));
        else {
            const answer = await renewd[command](job, id, ...rest);
            process.stdout.write(answer.text);
            return answer.status >= 200 && answer.status < 300 ? 0 : 1;
        }
        return 0;
    } catch (why) {
        if (why instanceof PersonNeeded) {
            console.error(`renewd cannot refresh this record by itself: ${why.message}${why.url ? `; connect the account again at ${why.url}` : ''}`);
            return 3;
        }
        console.error(why instanceof Later ? `later: ${why.message}` : why.message);
        return why instanceof Later ? 75 : 1;
    }
}

main(process.argv.slice(2)).then((status) => { process.exitCode = status; });
