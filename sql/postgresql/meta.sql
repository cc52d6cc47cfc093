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

-- Which tokens need somebody's attention.
create or replace view "MetaTokenStatus" with (security_invoker = true) as
select a."name" as app_name, s."metaPixelId" as pixel_id, s."metaTokenExpiresAt" as expires_at,
       case when s."metaTokenExpiresAt" is null then 'No expiry set'
            when s."metaTokenExpiresAt" <= now() at time zone 'UTC' then 'EXPIRED'
            when s."metaTokenExpiresAt" <= now() at time zone 'UTC' + interval '7 days' then 'Expiring soon'
            else 'Valid' end as status
from "AppSettings" s join "App" a on a."id" = s."appId"
where s."metaAccessToken" is not null;
