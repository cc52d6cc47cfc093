-- NULL, or why nothing can be allocated. A job with another plan_name or plan_item has its own copy of
-- this folder, named by its setting `statements`.
SELECT CASE
    WHEN NOT EXISTS (SELECT 1 FROM subscription_plans
                     WHERE name = 'Free' AND item_id_internal = 'SYSTEM_FREE_TIER_MONTHLY_ALLOWANCE')
        THEN 'Free plan configuration not found.'
    WHEN NOT EXISTS (SELECT 1 FROM subscription_plans
                     WHERE name = 'Free' AND item_id_internal = 'SYSTEM_FREE_TIER_MONTHLY_ALLOWANCE'
                       AND tokens_to_award > 0)
        THEN 'Free plan tokens_to_award is not configured or is zero.'
    END
