-- SPDX-License-Identifier: MIT
-- The rights that renewd's role needs for conf.d/meta.conf, and no others. A DBA applies it, or whoever owns the
-- tables and may make a schema, before renewd's first start; again after a column was mapped:
--
--     psql -d DATABASE -v role=renewd -v schema=public -f grants-meta.sql
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

GRANT SELECT ("id", "appId", "metaPixelId", "metaAccessToken", "metaTokenExpiresAt"),
    UPDATE ("metaAccessToken", "metaTokenExpiresAt")
    ON :"schema"."AppSettings" TO :"role";
-- Whose app it is.
GRANT SELECT ("id", "name", "userId") ON :"schema"."App" TO :"role";

-- The view "MetaTokenStatus" is read with its reader's rights: the tables' owner may ask renewd which grants are dead.
-- Another role that reads it needs the same. The function is made at renewd's first start, for whom this names; where it
-- is there already, it is granted here.
SELECT format('GRANT USAGE ON SCHEMA renewd TO %I', pg_get_userbyid(relowner)) FROM pg_class
WHERE oid = to_regclass(format('%I."AppSettings"', :'schema')) \gexec
SELECT format('GRANT EXECUTE ON FUNCTION renewd.grant_is_dead(text, text) TO %I', pg_get_userbyid(relowner)) FROM pg_class
WHERE oid = to_regclass(format('%I."AppSettings"', :'schema'))
    AND to_regprocedure('renewd.grant_is_dead(text, text)') IS NOT NULL \gexec
COMMIT;
