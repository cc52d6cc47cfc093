-- SPDX-License-Identifier: MIT
-- The functions that people and pg_cron call today, over renewd's own. A request is a row: it is kept until a renewd
-- takes it, which needs no pg_net and no key in SQL.
--
--     psql -d DATABASE -f functions.sql                        # into the schema public
--     psql -d DATABASE -v schema=app -f functions.sql          # into another
--
-- Apply it after renewd's first start (`renewd --once` is one), as the role that owns renewd's tables or as the one
-- that owns the schema; what either lacks is named at once, as the statements that a DBA runs first, and nothing is
-- changed. Functions of these names that stand there are replaced. Then GRANT EXECUTE to the roles that may call them:
-- they need no other right. May be applied again, and leaves what was granted; all of it is one transaction.
\set ON_ERROR_STOP on
\if :{?schema}
\else
    \set schema public
\endif
BEGIN;
SELECT set_config('renewd_functions.schema', :'schema', true) \g /dev/null

DO $do$
DECLARE
    v_schema constant text := current_setting('renewd_functions.schema');
    v_names constant text[] := ARRAY['refresh_expired_youtube_tokens', 'refresh_expired_instagram_tokens',
        'refresh_expired_tiktok_tokens', 'refresh_lightspeed_tokens', 'allocate_periodic_tokens'];
    v_old record;
    v_run oid;
    v_request oid;
    v_first text := '';
BEGIN
    SELECT oid INTO v_run FROM pg_proc
    WHERE proname = 'run' AND pronamespace = to_regnamespace('renewd') AND pronargs = 1;
    SELECT oid INTO v_request FROM pg_proc
    WHERE proname = 'request_run' AND pronamespace = to_regnamespace('renewd') AND pronargs = 1;
    IF v_run IS NULL OR v_request IS NULL THEN
        RAISE EXCEPTION 'the schema renewd has no function request_run: renewd was not started on this database yet'
            USING HINT = 'Start it once (renewd --once does), then apply this file again.';
    END IF;
    IF to_regnamespace(quote_ident(v_schema)) IS NULL THEN
        RAISE EXCEPTION 'there is no schema %', v_schema
            USING HINT = 'psql -v schema=NAME says where the functions go.';
    END IF;
    IF v_schema = 'renewd' OR v_schema LIKE 'pg\_%' THEN
        RAISE EXCEPTION 'the functions do not go into the schema %', v_schema
            USING HINT = 'psql -v schema=NAME says where: the schema that their callers look in.';
    END IF;

    -- What this role lacks, all of it.
    IF NOT has_schema_privilege(quote_ident(v_schema), 'CREATE') THEN
        v_first := v_first || format(E'\n  GRANT CREATE ON SCHEMA %I TO %I;', v_schema, current_user);
    END IF;
    IF NOT has_schema_privilege('renewd', 'USAGE') THEN
        v_first := v_first || format(E'\n  GRANT USAGE ON SCHEMA renewd TO %I;', current_user);
    END IF;
    IF NOT has_function_privilege(v_run, 'EXECUTE') OR NOT has_function_privilege(v_request, 'EXECUTE') THEN
        v_first := v_first || format(E'\n  GRANT EXECUTE ON FUNCTION renewd.run(text), renewd.request_run(text) TO %I;',
            current_user);
    END IF;
    FOR v_old IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = v_schema AND p.pronargs = 0 AND p.proname = ANY (v_names)
          AND NOT pg_has_role(p.proowner, 'USAGE') AND NOT pg_has_role(n.nspowner, 'USAGE')
    LOOP
        v_first := v_first || format(E'\n  DROP FUNCTION %s;  -- another role owns it', v_old.name);
    END LOOP;
    IF v_first <> '' THEN
        RAISE EXCEPTION 'the role % cannot do this alone', current_user
            USING HINT = 'A DBA, or the owner of what is named, runs this first:' || v_first;
    END IF;

    -- What cannot be replaced as it stands goes; so does what an earlier form of this file left in renewd's own schema.
    FOR v_old IN
        SELECT p.oid::regprocedure AS name, n.nspname AS schema,
               pg_has_role(p.proowner, 'USAGE') OR pg_has_role(n.nspowner, 'USAGE') AS ours,
               n.nspname = v_schema AND pg_has_role(p.proowner, 'USAGE')
                   AND has_schema_privilege(p.proowner, 'renewd', 'USAGE')
                   AND has_function_privilege(p.proowner, v_run, 'EXECUTE')
                   AND has_function_privilege(p.proowner, v_request, 'EXECUTE')
                   AND p.prorettype = CASE p.proname WHEN 'refresh_lightspeed_tokens' THEN 'text'::regtype
                                      ELSE 'bigint'::regtype END AS stays
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE p.pronargs = 0 AND p.proname = ANY (v_names)
        ORDER BY n.nspname, p.proname
    LOOP
        CONTINUE WHEN v_old.stays;
        IF v_old.schema = v_schema OR (v_old.schema = 'renewd' AND v_old.ours) THEN
            EXECUTE format('DROP FUNCTION %s', v_old.name);
            RAISE NOTICE 'replaced: %', v_old.name;
        ELSE
            RAISE WARNING 'another function stays as it is: % in the schema %; callers may find it first',
                v_old.name, v_old.schema
                USING HINT = format('DROP FUNCTION %s, when nobody calls it.', v_old.name);
        END IF;
    END LOOP;
END $do$;

-- Each returns how many records it handed over.
CREATE OR REPLACE FUNCTION :"schema".refresh_expired_youtube_tokens() RETURNS bigint LANGUAGE sql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT renewd.run('refresh-expired-youtube-tokens') $$;
CREATE OR REPLACE FUNCTION :"schema".refresh_expired_instagram_tokens() RETURNS bigint LANGUAGE sql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT renewd.run('refresh-expired-instagram-tokens') $$;
CREATE OR REPLACE FUNCTION :"schema".refresh_expired_tiktok_tokens() RETURNS bigint LANGUAGE sql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT renewd.run('refresh-expired-tiktok-tokens') $$;
CREATE OR REPLACE FUNCTION :"schema".allocate_periodic_tokens() RETURNS bigint LANGUAGE sql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT renewd.run('monthly-token-allocation') $$;

CREATE OR REPLACE FUNCTION :"schema".refresh_lightspeed_tokens() RETURNS text LANGUAGE sql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT 'Token refresh triggered with request ID: ' || v_run
          FROM renewd.request_run('refresh-lightspeed-tokens-every-6h') $$;

REVOKE ALL ON FUNCTION :"schema".refresh_expired_youtube_tokens(), :"schema".refresh_expired_instagram_tokens(),
    :"schema".refresh_expired_tiktok_tokens(), :"schema".allocate_periodic_tokens(),
    :"schema".refresh_lightspeed_tokens() FROM PUBLIC;

-- They run with their owner's rights, which are not to be a superuser's.
DO $do$
DECLARE v_new record;
BEGIN
    FOR v_new IN
        SELECT p.oid::regprocedure AS name, pg_get_userbyid(r.nspowner) AS owner
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles u ON u.oid = p.proowner
            JOIN pg_namespace r ON r.nspname = 'renewd'
        WHERE n.nspname = current_setting('renewd_functions.schema') AND p.pronargs = 0 AND u.rolsuper
          AND p.proname IN ('refresh_expired_youtube_tokens', 'refresh_expired_instagram_tokens',
                            'refresh_expired_tiktok_tokens', 'refresh_lightspeed_tokens', 'allocate_periodic_tokens')
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', v_new.name, v_new.owner);
    END LOOP;
END $do$;

COMMIT;
