-- SPDX-License-Identifier: MIT
-- The tables of conf.d/free-plan.conf on PostgreSQL, and the view that its job reads. An application that
-- has such tables keeps its own and needs the view alone; no constraint is asked of them: what is paid
-- once is noted in renewd's own ledger.
create table if not exists subscription_plans (
    id uuid not null primary key default gen_random_uuid(),
    item_id_internal text not null unique,
    name text not null,
    tokens_to_award bigint
);

create table if not exists user_subscriptions (
    id uuid not null primary key default gen_random_uuid(),
    user_id uuid not null,
    plan_id uuid not null references subscription_plans (id),
    status text not null,
    current_period_start timestamptz,
    current_period_end timestamptz
);

create table if not exists token_wallets (
    id uuid not null primary key default gen_random_uuid(),
    user_id uuid,
    organization_id uuid,
    balance numeric not null default 0
);
create index if not exists token_wallets_user on token_wallets (user_id);

create table if not exists token_wallet_transactions (
    id uuid not null primary key default gen_random_uuid(),
    wallet_id uuid not null references token_wallets (id),
    user_id uuid,
    type text not null,
    amount numeric not null,
    performed_by text,
    idempotency_key text,
    created_at timestamptz not null default now()
);

create or replace view free_plan_subscriptions with (security_invoker = true) as
select s.id, s.user_id, s.plan_id, p.name as plan_name, p.item_id_internal, p.tokens_to_award, s.status,
       s.current_period_start, s.current_period_end
from user_subscriptions s join subscription_plans p on p.id = s.plan_id;
