// SPDX-License-Identifier: MIT
// A gateway in front of an authorization server, for tests: it answers with a status of its own before the request is
// passed on, or when the server has answered, whose answer is lost then. It counts what is presented.
import { createServer, request as send } from 'node:http';

export class Gateway {
    // fault: null, or { status, of, after }: a request of account number n has its answer replaced if n % of is one
    // of after, and is not passed on otherwise.
    fault = null;
    #presented = new Map(); // refresh token: how often it came
    #kept = 0; // requests that were not passed on
    #dropped = 0; // answers that were lost
    #port;
    #accountOf;

    constructor(port, accountOf) {
        this.#port = port;
        this.#accountOf = accountOf;
        this.server = createServer((request, response) => {
            this.#handle(request, response).catch((error) => {
                console.error(error);
                response.destroy();
            });
        });
    }

    counts() {
        const times = [...this.#presented.values()];
        return {
            presented: times.reduce((sum, n) => sum + n, 0),
            most: Math.max(0, ...times),
            kept: this.#kept,
            dropped: this.#dropped,
        };
    }

    async #handle(request, response) {
        const body = await text(request);
        const token = new URLSearchParams(body).get('refresh_token');
        const fault = token ? this.fault : null;
        if (token) this.#presented.set(token, (this.#presented.get(token) ?? 0) + 1);
        if (fault && !fault.after.includes(this.#accountOf(token) % fault.of)) {
            this.#kept += 1;
            fail(response, fault.status);
            return;
        }
        const answer = await this.#pass(request, body);
        if (fault) {
            this.#dropped += 1;
            fail(response, fault.status);
            return;
        }
        response.writeHead(answer.status, answer.headers).end(answer.body);
    }

    #pass(request, body) {
        return new Promise((resolve, reject) => {
            const { method, url: path, headers } = request;
            const onward = send({ host: '127.0.0.1', port: this.#port, method, path, headers }, async (answer) => {
                resolve({ status: answer.statusCode, headers: answer.headers, body: await text(answer) });
            });
            onward.on('error', reject);
            onward.end(body);
        });
    }
}

async function text(stream) {
    let all = '';
    for await (const part of stream) all += part;
    return all;
}

// As nginx writes it.
function fail(response, status) {
    const title = `${status} ${status === 502 ? 'Bad Gateway' : 'Gateway Time-out'}`;
    response.writeHead(status, { 'Content-Type': 'text/html' });
    response.end(`<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n` +
        '<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n');
}
