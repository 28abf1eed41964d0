"""Releases, deployments and runs of workflows as GitHub shows them."""

from __future__ import annotations

from impulsum_pipelines.sandbox.github.documents.repositories import Document, RepositoryDocuments, iso, node_id
from impulsum_pipelines.sandbox.github.state import Deployment, DeploymentStatus, GitHubRelease, Run


class DeliveryDocuments(RepositoryDocuments):
    """The documents of what is built and put into use."""

    def release(self, release: GitHubRelease) -> Document:
        """A release."""
        repository = self.world.repositories[release.repository]
        at = self._at(repository)
        return {
            "url": f"{at}/releases/{release.id}",
            "assets_url": f"{at}/releases/{release.id}/assets",
            "upload_url": f"{at}/releases/{release.id}/assets{{?name,label}}",
            "html_url": f"{self._web(repository)}/releases/tag/{release.tag}",
            "id": release.id,
            "author": self.user(release.author),
            "node_id": node_id("RE", release.id),
            "tag_name": release.tag,
            "target_commitish": repository.default_branch,
            "name": release.name,
            "draft": False,
            "prerelease": release.prerelease,
            "created_at": iso(release.created),
            "published_at": iso(release.published),
            "assets": [],
            "tarball_url": f"{at}/tarball/{release.tag}",
            "zipball_url": f"{at}/zipball/{release.tag}",
            "body": release.body,
        }

    def deployment(self, deployment: Deployment) -> Document:
        """A deployment."""
        repository = self.world.repositories[deployment.repository]
        url = f"{self._at(repository)}/deployments/{deployment.id}"
        return {
            "url": url,
            "id": deployment.id,
            "node_id": node_id("DE", deployment.id),
            "task": "deploy",
            "original_environment": deployment.environment,
            "environment": deployment.environment,
            "description": None,
            "created_at": iso(deployment.created),
            "updated_at": iso(deployment.updated),
            "statuses_url": f"{url}/statuses",
            "repository_url": self._at(repository),
            "creator": self.user(deployment.creator),
            "sha": deployment.sha,
            "ref": deployment.ref,
            "payload": {},
            "transient_environment": False,
            "production_environment": deployment.environment == "production",
            "performed_via_github_app": None,
        }

    def deployment_status(self, status: DeploymentStatus) -> Document:
        """A status of a deployment."""
        repository = self.world.repositories[status.repository]
        url = f"{self._at(repository)}/deployments/{status.deployment.id}"
        return {
            "url": f"{url}/statuses/{status.id}",
            "id": status.id,
            "node_id": node_id("DES", status.id),
            "state": status.state,
            "creator": self.user(status.creator),
            "description": status.description,
            "environment": status.deployment.environment,
            "target_url": "",
            "created_at": iso(status.created),
            "updated_at": iso(status.created),
            "deployment_url": url,
            "repository_url": self._at(repository),
            "environment_url": "",
            "log_url": "",
            "performed_via_github_app": None,
        }

    def run(self, run: Run) -> Document:
        """A run of a workflow."""
        repository = self.world.repositories[run.repository]
        at, commit = self._at(repository), repository.commits[run.sha]
        url = f"{at}/actions/runs/{run.id}"
        person = {"name": commit.author.name, "email": commit.author.email}
        minimal = {"id": repository.id, "url": at, "name": repository.name}
        return {
            "id": run.id,
            "name": run.name,
            "node_id": node_id("WFR", run.id),
            "head_branch": run.branch,
            "head_sha": run.sha,
            "path": f".github/workflows/{run.name.lower()}.yml",
            "display_title": run.title,
            "run_number": run.number,
            "event": run.event,
            "status": run.status,
            "conclusion": run.conclusion,
            "workflow_id": run.workflow,
            "check_suite_id": run.id + 1,
            "check_suite_node_id": node_id("CS", run.id),
            "url": url,
            "html_url": f"{self._web(repository)}/actions/runs/{run.id}",
            "pull_requests": [
                {
                    "url": f"{at}/pulls/{run.pull.issue.number}",
                    "id": run.pull.id,
                    "number": run.pull.issue.number,
                    "head": {"ref": run.branch, "sha": run.sha, "repo": minimal},
                    "base": {"ref": run.pull.base, "sha": commit.parents[0], "repo": minimal},
                }
            ]
            if run.pull and run.pull.issue.closed is None
            else [],
            "created_at": iso(run.created),
            "updated_at": iso(run.updated),
            "actor": self.user(run.actor),
            "run_attempt": run.attempt,
            "referenced_workflows": [],
            "run_started_at": iso(run.started),
            "triggering_actor": self.user(run.actor),
            "jobs_url": f"{url}/jobs",
            "logs_url": f"{url}/logs",
            "check_suite_url": f"{at}/check-suites/{run.id + 1}",
            "artifacts_url": f"{url}/artifacts",
            "cancel_url": f"{url}/cancel",
            "rerun_url": f"{url}/rerun",
            "previous_attempt_url": f"{url}/attempts/{run.attempt - 1}" if run.attempt > 1 else None,
            "workflow_url": f"{at}/actions/workflows/{run.workflow}",
            "head_commit": {
                "id": commit.sha,
                "tree_id": commit.sha[::-1],
                "message": commit.message,
                "timestamp": iso(commit.committed),
                "author": person,
                "committer": person,
            },
            "repository": self.minimal_repository(repository),
            "head_repository": self.minimal_repository(repository),
        }
