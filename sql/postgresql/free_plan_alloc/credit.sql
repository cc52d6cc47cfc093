-- The user's own wallet, which must be one: $1 user, $2 amount.
UPDATE token_wallets SET balance = balance + CAST($2 AS numeric)
WHERE user_id = $1 AND organization_id IS NULL
