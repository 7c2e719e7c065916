"""Nodes whose fields are kept in databases of their own, behind a GraphQL API."""
