-- SPDX-License-Identifier: MIT
-- The functions that people and pg_cron call today, over renewd's own. Apply after renewd's first start, as the
-- role that owns renewd's tables; then GRANT EXECUTE to the roles that may call them. A request is a row: it is
-- kept until a renewd takes it, which needs no pg_net and no key in SQL.

-- Each returns how many records it handed over.
CREATE OR REPLACE FUNCTION refresh_expired_youtube_tokens() RETURNS bigint LANGUAGE sql
    AS $$ SELECT renewd.run('refresh-expired-youtube-tokens') $$;
CREATE OR REPLACE FUNCTION refresh_expired_instagram_tokens() RETURNS bigint LANGUAGE sql
    AS $$ SELECT renewd.run('refresh-expired-instagram-tokens') $$;
CREATE OR REPLACE FUNCTION refresh_expired_tiktok_tokens() RETURNS bigint LANGUAGE sql
    AS $$ SELECT renewd.run('refresh-expired-tiktok-tokens') $$;
CREATE OR REPLACE FUNCTION allocate_periodic_tokens() RETURNS bigint LANGUAGE sql
    AS $$ SELECT renewd.run('monthly-token-allocation') $$;

CREATE OR REPLACE FUNCTION refresh_lightspeed_tokens() RETURNS text LANGUAGE sql
    AS $$ SELECT 'Token refresh triggered with request ID: ' || v_run
          FROM renewd.request_run('refresh-lightspeed-tokens-every-6h') $$;

REVOKE ALL ON FUNCTION refresh_expired_youtube_tokens(), refresh_expired_instagram_tokens(),
    refresh_expired_tiktok_tokens(), allocate_periodic_tokens(), refresh_lightspeed_tokens() FROM PUBLIC;
