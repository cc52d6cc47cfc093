-- The period moves: $1 subscription, $2 its end as it was read, $3 the new start, $4 the new end.
UPDATE user_subscriptions SET current_period_start = $3, current_period_end = $4
WHERE id = $1 AND current_period_end = $2
