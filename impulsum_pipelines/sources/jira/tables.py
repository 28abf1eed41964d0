"""The raw tables of Jira: grain, columns and meaning. Ids are text everywhere, times are UTC."""

from __future__ import annotations

from impulsum_pipelines.sources.base.table import Column, Scope, Table

#: Without these the source is off.
REQUIRED_SETTINGS = ("JIRA_BASE_URL", "JIRA_EMAIL", "JIRA_API_TOKEN")

#: The scopes in which people look for rows: projects. Most rows that belong to an issue have no project_id.
SCOPE = Scope("projects", "key", "project_id", through=("issue_id", "issues"))

ISSUES = Table(
    "issues",
    "One row per issue, keyed by the numeric id, which survives a move to another project (the key does not).",
    (
        Column("key", "text", "Issue key at the last read, such as ABC-12."),
        Column("project_id", "text", "Project of the issue."),
        Column("project_key", "text", "Key of that project."),
        Column("issue_type", "text", "Name of the issue type."),
        Column("is_subtask", "bool", "True for a sub-task type."),
        Column("parent_id", "text", "Parent issue (of a sub-task, or the epic in newer projects)."),
        Column("epic_key", "text", "Value of the field Epic Link, where the site has one."),
        Column("summary", "text", "Title."),
        Column("status_id", "text", "Status at the last read."),
        Column("status_name", "text", "Name of that status."),
        Column("status_category", "text", "Key of its category: new, indeterminate, done, or undefined for none."),
        Column("priority", "text", "Name of the priority."),
        Column("resolution", "text", "Name of the resolution; null while unresolved."),
        Column("resolved_at", "timestamp", "When the resolution was set."),
        Column("created_at", "timestamp", "When the issue was created."),
        Column("updated_at", "timestamp", "When the issue last changed; the cursor of the live pull."),
        Column("due_date", "date", "Due date, a plain date in the site's zone."),
        Column("assignee_id", "text", "Account of the assignee."),
        Column("reporter_id", "text", "Account of the reporter."),
        Column("creator_id", "text", "Account of the creator."),
        Column("labels", "json", "List of labels."),
        Column("sprint_ids", "json", "List of the ids in the Sprint field, as text: past and present sprints."),
        Column(
            "estimates",
            "json",
            "Object of every numeric field that a board could estimate with: field id to number or null. It has "
            "Story Points, Story point estimate, each board's estimation field, and timeoriginalestimate (s).",
        ),
        Column("time_spent_seconds", "int", "Time logged on the issue itself, s."),
        Column("change_total", "int", "How many changelog histories the source says the issue has."),
        Column("comment_total", "int", "How many comments the source counts, hidden ones included."),
    ),
    partitioned=True,
)

CHANGES = Table(
    "changes",
    "One row per changelog history of an issue; payload.items lists what changed, each item with field, fieldId, "
    "from, fromString, to, toString.",
    (
        Column("issue_id", "text", "The issue that changed."),
        Column("author_id", "text", "Account that made the change."),
        Column("created_at", "timestamp", "When it was made."),
    ),
    partitioned=True,
)

COMMENTS = Table(
    "comments",
    "One row per comment on an issue that the account may see.",
    (
        Column("issue_id", "text", "The issue commented on."),
        Column("author_id", "text", "Account that wrote it."),
        Column("created_at", "timestamp", "When it was written."),
        Column("updated_at", "timestamp", "When it was last edited."),
        Column("is_restricted", "bool", "True when its visibility is limited to a role or group."),
    ),
    partitioned=True,
)

WORKLOGS = Table(
    "worklogs",
    "One row per worklog entry of Jira itself. Tempo may have the same hours: never add the two.",
    (
        Column("issue_id", "text", "The issue worked on."),
        Column("author_id", "text", "Account that did the work."),
        Column("started_at", "timestamp", "When the work began."),
        Column("time_spent_seconds", "int", "Time spent, s."),
        Column("created_at", "timestamp", "When it was logged."),
        Column("updated_at", "timestamp", "When the entry was last edited."),
    ),
    partitioned=True,
)

LINKS = Table(
    "links",
    "One row per link between two issues, read from either end.",
    (
        Column("type", "text", "Name of the link type, such as Blocks."),
        Column("outward", "text", "Its wording from source to target, such as blocks."),
        Column("source_issue_id", "text", "The issue at the outward end: the one that blocks."),
        Column("target_issue_id", "text", "The issue at the inward end: the one that is blocked."),
    ),
    partitioned=True,
)

SPRINTS = Table(
    "sprints",
    "One row per sprint, from the boards and from the issues that name it.",
    (
        Column("name", "text", "Name."),
        Column("state", "text", "future, active or closed."),
        Column("board_id", "text", "Board that the sprint originates from (originBoardId)."),
        Column("goal", "text", "Goal."),
        Column("created_at", "timestamp", "When the sprint was created."),
        Column("start_at", "timestamp", "Start: planned while future, actual once started."),
        Column("end_at", "timestamp", "Planned end."),
        Column("complete_at", "timestamp", "When it was actually completed; null until then."),
    ),
)

BOARDS = Table(
    "boards",
    "One row per board with its configuration; payload is {board, configuration}.",
    (
        Column("name", "text", "Name."),
        Column("type", "text", "scrum, kanban or simple."),
        Column("project_id", "text", "Project of the board's location."),
        Column("estimation_type", "text", "none, field or issueCount."),
        Column("estimation_field_id", "text", "Field that the board estimates with, such as customfield_10016."),
        Column("estimation_field_name", "text", "Its name."),
        Column("columns", "json", "List of {name, status_ids} from left to right."),
        Column("done_status_ids", "json", "Statuses of the right-most column that has any; empty when not known."),
    ),
)

PROJECTS = Table(
    "projects",
    "One row per project that the account sees.",
    (
        Column("key", "text", "Key."),
        Column("name", "text", "Name."),
        Column("type", "text", "software, business or service_desk."),
        Column("style", "text", "classic (company-managed) or next-gen (team-managed)."),
        Column("is_archived", "bool", "True when archived."),
        Column("issue_total", "int", "Issues in it by the source's own count, at extracted_at."),
        Column("last_issue_updated_at", "timestamp", "Newest change of any of its issues, by the source."),
    ),
)

USERS = Table(
    "users",
    "One row per account, inactive ones included.",
    (
        Column("display_name", "text", "Display name."),
        Column("email", "text", "E-mail address where the person shows it."),
        Column("is_active", "bool", "False for a deactivated account."),
        Column("account_type", "text", "atlassian, app or customer."),
        Column("time_zone", "text", "Zone of the profile, where shown."),
    ),
)

FIELDS = Table(
    "fields",
    "One row per system or custom field.",
    (
        Column("name", "text", "Name."),
        Column("is_custom", "bool", "True for a custom field."),
        Column("schema_type", "text", "Type of the value, such as number or array."),
        Column("schema_items", "text", "Type of the items of an array."),
        Column("schema_custom", "text", "Key of the custom field type."),
        Column(
            "role",
            "text",
            "How we use the field: sprint, story_points, story_point_estimate or epic_link; null for all others.",
        ),
    ),
)

STATUSES = Table(
    "statuses",
    "One row per status.",
    (
        Column("name", "text", "Name."),
        Column("category", "text", "Key of its category: new, indeterminate, done, or undefined for none."),
        Column("project_id", "text", "Project that the status is scoped to; null for a global one."),
    ),
)

VERSIONS = Table(
    "versions",
    "One row per version (release) of a project.",
    (
        Column("project_id", "text", "Project."),
        Column("name", "text", "Name."),
        Column("is_released", "bool", "True when released."),
        Column("is_archived", "bool", "True when archived."),
        Column("start_date", "date", "Start date."),
        Column("release_date", "date", "Release date."),
    ),
)

TABLES = (
    ISSUES,
    CHANGES,
    COMMENTS,
    WORKLOGS,
    LINKS,
    SPRINTS,
    BOARDS,
    PROJECTS,
    USERS,
    FIELDS,
    STATUSES,
    VERSIONS,
)
