-- SPDX-License-Identifier: MIT
-- The rights that renewd's role needs for conf.d/free-plan.conf, and no others. A DBA applies it, or whoever owns
-- the tables and may make a schema, before renewd's first start; again after a column was mapped:
--
--     psql -d DATABASE -v role=renewd -v schema=public -f grants-free_plan.sql
--
-- role: renewd's (default renewd; CREATE ROLE renewd LOGIN makes it). schema: of the application's tables (default
-- public). The schema renewd is made for its own tables and belongs to it; so it needs no right to create others.
-- A role that makes a schema for another one has to be a member of it, or a superuser.
\set ON_ERROR_STOP on
\if :{?role}
\else
    \set role renewd
\endif
\if :{?schema}
\else
    \set schema public
\endif
BEGIN;
CREATE SCHEMA IF NOT EXISTS renewd AUTHORIZATION :"role";
GRANT USAGE ON SCHEMA :"schema" TO :"role";

-- The view shows a role no more than it may read in the tables.
GRANT SELECT ON :"schema".free_plan_subscriptions TO :"role";
GRANT SELECT (id, name, item_id_internal, tokens_to_award) ON :"schema".subscription_plans TO :"role";
GRANT SELECT (id, user_id, plan_id, status, current_period_start, current_period_end),
    UPDATE (current_period_start, current_period_end)
    ON :"schema".user_subscriptions TO :"role";
-- sql/postgresql/free_plan_alloc: the credit and its transaction.
GRANT SELECT (id, user_id, organization_id, balance), UPDATE (balance) ON :"schema".token_wallets TO :"role";
GRANT INSERT (wallet_id, user_id, type, amount, performed_by, idempotency_key, created_at)
    ON :"schema".token_wallet_transactions TO :"role";
COMMIT;
