select
    ---------- ids
    reviews.review_id,
    reviews.pull_request_id,
    reviews.repository_id,
    reviewers.person_id as reviewer_person_id,

    ---------- text
    reviews.author as reviewer,
    reviews.review_state as state,

    ---------- numbers
    reviews.pull_request_number,

    ---------- flags
    reviews.is_bot or coalesce(reviewers.is_bot, false) as is_bot,
    (reviews.author is not distinct from pulls.author) as is_by_author,
    reviews.is_deleted,

    ---------- timestamps
    reviews.submitted_at,
    reviews.extracted_at
from {{ ref('stg_github__reviews') }} as reviews
left join {{ ref('stg_github__pull_requests') }} as pulls using (pull_request_id)
left join {{ ref('person_accounts') }} as reviewers
    on reviewers.tool = 'github'
    and reviewers.account_id = reviews.author
