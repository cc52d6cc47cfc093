-- SPDX-License-Identifier: MIT
-- The functions that people and pg_cron call today, over renewd's own. Apply after renewd's first start, as the
-- role that owns renewd's tables; then GRANT EXECUTE to the roles that may call them: they need no other right.
-- A request is a row: it is kept until a renewd takes it, which needs no pg_net and no key in SQL.
-- May be applied again; functions of these names that returned something else are replaced.
BEGIN;

DO $do$
DECLARE v_old regprocedure;
BEGIN
    FOR v_old IN
        SELECT p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = current_schema() AND p.pronargs = 0
          AND p.proname IN ('refresh_expired_youtube_tokens', 'refresh_expired_instagram_tokens',
                            'refresh_expired_tiktok_tokens', 'refresh_lightspeed_tokens', 'allocate_periodic_tokens')
          AND p.prorettype <> CASE p.proname WHEN 'refresh_lightspeed_tokens' THEN 'text'::regtype
                              ELSE 'bigint'::regtype END
    LOOP
        EXECUTE format('DROP FUNCTION %s', v_old);
    END LOOP;
END $do$;

-- Each returns how many records it handed over.
CREATE OR REPLACE FUNCTION refresh_expired_youtube_tokens() RETURNS bigint LANGUAGE sql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT renewd.run('refresh-expired-youtube-tokens') $$;
CREATE OR REPLACE FUNCTION refresh_expired_instagram_tokens() RETURNS bigint LANGUAGE sql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT renewd.run('refresh-expired-instagram-tokens') $$;
CREATE OR REPLACE FUNCTION refresh_expired_tiktok_tokens() RETURNS bigint LANGUAGE sql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT renewd.run('refresh-expired-tiktok-tokens') $$;
CREATE OR REPLACE FUNCTION allocate_periodic_tokens() RETURNS bigint LANGUAGE sql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT renewd.run('monthly-token-allocation') $$;

CREATE OR REPLACE FUNCTION refresh_lightspeed_tokens() RETURNS text LANGUAGE sql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT 'Token refresh triggered with request ID: ' || v_run
          FROM renewd.request_run('refresh-lightspeed-tokens-every-6h') $$;

REVOKE ALL ON FUNCTION refresh_expired_youtube_tokens(), refresh_expired_instagram_tokens(),
    refresh_expired_tiktok_tokens(), allocate_periodic_tokens(), refresh_lightspeed_tokens() FROM PUBLIC;

COMMIT;
