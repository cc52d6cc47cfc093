-- SPDX-License-Identifier: MIT
-- The rights that renewd's role needs for conf.d/instagram-connections.conf, and no others. A DBA applies it, or
-- whoever owns the tables and may make a schema, before renewd's first start; again after a column was mapped:
--
--     psql -d DATABASE -v role=renewd -v schema=public -f grants-instagram_saas.sql
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

GRANT SELECT (id, user_id, access_token, token_expires_at, token_refreshed_at, refresh_attempts, last_refresh_error),
    UPDATE (access_token, token_expires_at, token_refreshed_at, refresh_attempts, last_refresh_error)
    ON :"schema".instagram_connections TO :"role";
-- The owner, whom a notice names, and the mark that a warning is shown.
GRANT SELECT (id, email, username, show_token_warning), UPDATE (show_token_warning) ON :"schema".users TO :"role";
COMMIT;
