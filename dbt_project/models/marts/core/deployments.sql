with statuses as (
    select
        deployment_id,
        arg_max(deployment_state, (created_at, deployment_status_id)) as state,
        min(created_at) filter (where deployment_state = 'success') as succeeded_at,
        min(created_at) filter (where deployment_state in ('failure', 'error')) as failed_at
    from {{ ref('stg_github__deployment_statuses') }}
    where not is_deleted
    group by deployment_id
)

select
    ---------- ids
    deployments.deployment_id,
    deployments.repository_id,
    creators.person_id as creator_person_id,

    ---------- text
    repositories.full_name as repository_name,
    deployments.sha,
    deployments.deployed_ref,
    deployments.environment,
    coalesce(statuses.state, 'pending') as state,
    deployments.creator,

    ---------- flags
    -- As the deployment says, or else by the name that GitHub itself uses for production.
    coalesce(deployments.is_production, false) or lower(deployments.environment) = 'production' as is_production,
    deployments.is_deleted,

    ---------- timestamps
    deployments.created_at,
    statuses.succeeded_at,
    statuses.failed_at,
    deployments.extracted_at
from {{ ref('stg_github__deployments') }} as deployments
left join statuses using (deployment_id)
left join {{ ref('stg_github__repositories') }} as repositories using (repository_id)
left join {{ ref('person_accounts') }} as creators
    on creators.tool = 'github'
    and creators.account_id = deployments.creator
