-- SPDX-License-Identifier: MIT
-- The tables of conf.d/meta.conf on SQLite: apps, and for each its pixel and token. Times are Unix seconds.
create table if not exists "App" (
    "id" text not null primary key default (lower(hex(randomblob(16)))),
    "name" text not null,
    "userId" text not null
);
create index if not exists "App_userId_idx" on "App" ("userId");

create table if not exists "AppSettings" (
    "id" text not null primary key default (lower(hex(randomblob(16)))),
    "appId" text not null unique references "App" ("id") on delete cascade,
    "metaPixelId" text,
    "metaAccessToken" text,
    "metaTokenExpiresAt" integer
);

-- How renewd sees its records. renewd makes this view at its first start; until then it is empty.
create view if not exists renewd_record as
select '' as source, '' as id, '' as state where 1 = 0;

-- Which tokens need somebody's attention. 'Reconnect needed': renewd knows that the grant is dead, whatever expiry the
-- row has; the other four words go by the row alone.
drop view if exists "MetaTokenStatus";
create view "MetaTokenStatus" as
select a."name" as app_name, s."metaPixelId" as pixel_id, s."metaTokenExpiresAt" as expires_at,
       case when exists (select 1 from renewd_record r where r.source = 'AppSettings/metaAccessToken'
                         and r.id = s."id" and r.state = 'reconnect') then 'Reconnect needed'
            when s."metaTokenExpiresAt" is null then 'No expiry set'
            when s."metaTokenExpiresAt" <= unixepoch() then 'EXPIRED'
            when s."metaTokenExpiresAt" <= unixepoch() + 7 * 86400 then 'Expiring soon'
            else 'Valid' end as status
from "AppSettings" s join "App" a on a."id" = s."appId"
where s."metaAccessToken" is not null;
