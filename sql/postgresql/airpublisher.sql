-- SPDX-License-Identifier: MIT
-- The tables of conf.d/youtube.conf and its sisters on PostgreSQL: one row for each connected account.
-- An application that has such tables already keeps its own; renewd needs nothing in them but a
-- unique key and the right to SELECT and UPDATE. Its own tables (schema renewd) it makes itself.
create table if not exists airpublisher_youtube_tokens (
    creator_unique_identifier text not null primary key,
    google_access_token text,
    google_refresh_token text,
    expires_at timestamptz,
    updated_at timestamptz not null default now()
);

create table if not exists airpublisher_instagram_tokens (
    creator_unique_identifier text not null primary key,
    facebook_access_token text,
    instagram_access_token text,
    expires_at timestamptz,
    updated_at timestamptz not null default now()
);

create table if not exists airpublisher_tiktok_tokens (
    creator_unique_identifier text not null primary key,
    tiktok_access_token text,
    tiktok_refresh_token text,
    tiktok_open_id text,
    expires_at timestamptz,
    updated_at timestamptz not null default now()
);
