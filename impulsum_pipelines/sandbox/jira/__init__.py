"""A Jira Cloud site that lives in this process: its data, its language of queries, its REST answers."""
