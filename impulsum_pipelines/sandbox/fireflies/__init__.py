"""A stand-in of Fireflies: the team's meetings, behind GraphQL at ``/fireflies/graphql``."""
