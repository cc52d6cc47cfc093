-- SPDX-License-Identifier: MIT
-- The rights that renewd's role needs for conf.d/youtube.conf, tiktok.conf and the two of Instagram, and no others.
-- A DBA applies it, or whoever owns the tables and may make a schema, before renewd's first start; again after a
-- column was mapped:
--
--     psql -d DATABASE -v role=renewd -v schema=public -f grants-airpublisher.sql
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

GRANT SELECT (creator_unique_identifier, google_access_token, google_refresh_token, expires_at, updated_at),
    UPDATE (google_access_token, google_refresh_token, expires_at, updated_at)
    ON :"schema".airpublisher_youtube_tokens TO :"role";
GRANT SELECT (creator_unique_identifier, instagram_access_token, facebook_access_token, expires_at, updated_at),
    UPDATE (instagram_access_token, facebook_access_token, expires_at, updated_at)
    ON :"schema".airpublisher_instagram_tokens TO :"role";
GRANT SELECT (creator_unique_identifier, tiktok_access_token, tiktok_refresh_token, tiktok_open_id, expires_at,
              updated_at),
    UPDATE (tiktok_access_token, tiktok_refresh_token, tiktok_open_id, expires_at, updated_at)
    ON :"schema".airpublisher_tiktok_tokens TO :"role";
COMMIT;
