-- SPDX-License-Identifier: MIT
-- The tables of conf.d/meta.conf on PostgreSQL: apps, and for each its pixel and token. Names are in mixed
-- case and so always quoted; times are UTC, without zone.
create table if not exists "App" (
    "id" text not null primary key default gen_random_uuid()::text,
    "name" text not null,
    "userId" text not null
);
create index if not exists "App_userId_idx" on "App" ("userId");

create table if not exists "AppSettings" (
    "id" text not null primary key default gen_random_uuid()::text,
    "appId" text not null unique references "App" ("id") on delete cascade,
    "metaPixelId" text,
    "metaAccessToken" text,
    "metaTokenExpiresAt" timestamp(3)
);

-- Whether renewd knows the grant of a row to be dead. Before renewd's first start there is nothing to know. Whoever reads
-- the view below needs, beside the tables, GRANT USAGE ON SCHEMA renewd TO ... and, after renewd's first start,
-- GRANT EXECUTE ON FUNCTION renewd.grant_is_dead(text, text) TO ...; grants-meta.sql sees to both for their owner.
create or replace function meta_token_is_dead(row_id text) returns boolean language plpgsql stable as $fn$
declare
    dead boolean;
begin
    if to_regnamespace('renewd') is null then
        return false;
    end if;
    if not has_schema_privilege('renewd', 'usage') then
        raise exception 'the role % may not ask renewd whether a token''s grant is dead', current_user
            using hint = format('GRANT USAGE ON SCHEMA renewd TO %I;', current_user);
    end if;
    if to_regprocedure('renewd.grant_is_dead(text, text)') is null then
        return false;
    end if;
    if not has_function_privilege('renewd.grant_is_dead(text, text)', 'execute') then
        raise exception 'the role % may not ask renewd whether a token''s grant is dead', current_user
            using hint = format('GRANT EXECUTE ON FUNCTION renewd.grant_is_dead(text, text) TO %I;', current_user);
    end if;
    execute 'select renewd.grant_is_dead(n.nspname || ''.AppSettings/metaAccessToken'', $1)
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where c.oid = ''"AppSettings"''::regclass' into dead using row_id;
    return dead;
end
$fn$;

-- Which tokens need somebody's attention. 'Reconnect needed': renewd knows that the grant is dead, whatever expiry the
-- row has; the other four words go by the row alone.
create or replace view "MetaTokenStatus" with (security_invoker = true) as
select a."name" as app_name, s."metaPixelId" as pixel_id, s."metaTokenExpiresAt" as expires_at,
       case when meta_token_is_dead(s."id") then 'Reconnect needed'
            when s."metaTokenExpiresAt" is null then 'No expiry set'
            when s."metaTokenExpiresAt" <= now() at time zone 'UTC' then 'EXPIRED'
            when s."metaTokenExpiresAt" <= now() at time zone 'UTC' + interval '7 days' then 'Expiring soon'
            else 'Valid' end as status
from "AppSettings" s join "App" a on a."id" = s."appId"
where s."metaAccessToken" is not null;
