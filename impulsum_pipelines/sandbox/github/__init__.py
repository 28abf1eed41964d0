"""A stand-in of GitHub's REST API: repositories, pull requests, reviews, comments, commits, deployments, runs."""
