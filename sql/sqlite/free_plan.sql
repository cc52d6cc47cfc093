-- SPDX-License-Identifier: MIT
-- The tables of conf.d/free-plan.conf on SQLite, and the view that its job reads. Times are Unix seconds.
-- An application that has such tables keeps its own and needs the view alone; no constraint is asked of
-- them: what is paid once is noted in renewd's own ledger.
create table if not exists subscription_plans (
    id text not null primary key default (lower(hex(randomblob(16)))),
    item_id_internal text not null unique,
    name text not null,
    tokens_to_award integer
);

create table if not exists user_subscriptions (
    id text not null primary key default (lower(hex(randomblob(16)))),
    user_id text not null,
    plan_id text not null references subscription_plans (id),
    status text not null,
    current_period_start integer,
    current_period_end integer
);

create table if not exists token_wallets (
    id text not null primary key default (lower(hex(randomblob(16)))),
    user_id text,
    organization_id text,
    balance numeric not null default 0
);
create index if not exists token_wallets_user on token_wallets (user_id);

create table if not exists token_wallet_transactions (
    id text not null primary key default (lower(hex(randomblob(16)))),
    wallet_id text not null references token_wallets (id),
    user_id text,
    type text not null,
    amount numeric not null,
    performed_by text,
    idempotency_key text,
    created_at integer not null default (unixepoch())
);

create view if not exists free_plan_subscriptions as
select s.id, s.user_id, s.plan_id, p.name as plan_name, p.item_id_internal, p.tokens_to_award, s.status,
       s.current_period_start, s.current_period_end
from user_subscriptions s join subscription_plans p on p.id = s.plan_id;
