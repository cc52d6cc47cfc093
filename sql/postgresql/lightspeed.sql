-- SPDX-License-Identifier: MIT
-- The table of conf.d/lightspeed.conf on PostgreSQL: one row for each connected Lightspeed account. An
-- application that has such a table already keeps its own; renewd needs nothing in it but a unique key
-- and the right to SELECT and UPDATE. Its own tables (schema renewd) it makes itself.
--
-- Tokens are sealed: hex(iv):hex(tag):hex(data), AES-256-GCM. X-Series needs one more column,
-- domain_prefix text, mapped under `columns`.
create table if not exists lightspeed_connections (
    id uuid not null primary key default gen_random_uuid(),
    user_id uuid not null,
    account_id text,
    account_name text,
    access_token_encrypted text,
    refresh_token_encrypted text,
    token_expires_at timestamptz,
    last_token_refresh_at timestamptz,
    status text not null default 'connected'
        check (status in ('connected', 'expired', 'error', 'disconnected')),
    last_error text,
    created_at timestamptz not null default now(),
    unique (user_id, account_id)
);
