-- SPDX-License-Identifier: MIT
-- The table of conf.d/lightspeed.conf on SQLite: one row for each connected Lightspeed account. Times
-- are Unix seconds. An application that has such a table already keeps its own; renewd needs nothing in
-- it but a unique key. Its own tables (renewd_...) it makes itself.
--
-- Tokens are sealed: hex(iv):hex(tag):hex(data), AES-256-GCM. X-Series needs one more column,
-- domain_prefix text, mapped under `columns`.
create table if not exists lightspeed_connections (
    id text not null primary key default (lower(hex(randomblob(16)))),
    user_id text not null,
    account_id text,
    account_name text,
    access_token_encrypted text,
    refresh_token_encrypted text,
    token_expires_at integer,
    last_token_refresh_at integer,
    status text not null default 'connected'
        check (status in ('connected', 'expired', 'error', 'disconnected')),
    last_error text,
    created_at integer not null default (unixepoch()),
    unique (user_id, account_id)
);
