-- $1 user, $2 type, $3 amount, $4 performer, $5 key of the period, $6 time.
INSERT INTO token_wallet_transactions
    (wallet_id, user_id, type, amount, performed_by, idempotency_key, created_at)
VALUES ((SELECT id FROM token_wallets WHERE user_id = $1 AND organization_id IS NULL), $1, $2, $3, $4, $5, $6)
