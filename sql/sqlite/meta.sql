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

-- Which tokens need somebody's attention.
create view if not exists "MetaTokenStatus" as
select a."name" as app_name, s."metaPixelId" as pixel_id, s."metaTokenExpiresAt" as expires_at,
       case when s."metaTokenExpiresAt" is null then 'No expiry set'
            when s."metaTokenExpiresAt" <= unixepoch() then 'EXPIRED'
            when s."metaTokenExpiresAt" <= unixepoch() + 7 * 86400 then 'Expiring soon'
            else 'Valid' end as status
from "AppSettings" s join "App" a on a."id" = s."appId"
where s."metaAccessToken" is not null;
