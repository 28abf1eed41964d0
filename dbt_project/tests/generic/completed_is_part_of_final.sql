{#-
    What was completed or left unfinished was in the final scope, and what was kept had been promised. In issues only:
    Jira lets an estimate be negative.
-#}
{% test completed_is_part_of_final(model) %}
select *
from {{ model }}
where completed_issues + unfinished_issues > final_issues
    or completed_committed_issues > least(committed_issues, completed_issues)
    or carryover_issues > unfinished_issues
    or done_then_removed_issues > removed_issues
    or unestimated_issues > final_issues
    or unestimated_committed_issues > committed_issues
    or unmapped_status_issues > final_issues
    or reopened_since_close_issues > completed_issues
{% endtest %}
